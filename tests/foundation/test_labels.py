"""Label conventions: both directions, nesting, mappings of the user, values outside."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brats3d.errors import ConfigError, LabelError
from brats3d.labels import (
    CONVENTIONS,
    ET,
    REGIONS,
    TC,
    WT,
    LabelConvention,
    convention_named,
    conventions_that_fit,
    custom_convention,
)

# What each value comes back as. Tissues that no region tells apart share one value: NET becomes NCR
# (2012), CC becomes NET (paediatric), and a resection cavity belongs to no region.
WRITTEN_AS: Mapping[str, Mapping[int, int]] = {
    "brats2017": {1: 1, 2: 2, 4: 4},
    "brats2023": {1: 1, 2: 2, 3: 3},
    "brats2024-gli": {1: 1, 2: 2, 3: 3, 4: 0},
    "brats2024-ped": {1: 1, 2: 2, 3: 2, 4: 4},
    "brats2012": {1: 1, 2: 2, 3: 1, 4: 4},
    "msd-task01": {1: 1, 2: 2, 3: 3},
}
# Value to (ET, TC, WT), written down from the data sets' own descriptions.
MEMBERSHIP: Mapping[str, Mapping[int, tuple[int, int, int]]] = {
    "brats2017": {1: (0, 1, 1), 2: (0, 0, 1), 4: (1, 1, 1)},
    "brats2023": {1: (0, 1, 1), 2: (0, 0, 1), 3: (1, 1, 1)},
    "brats2024-gli": {1: (0, 1, 1), 2: (0, 0, 1), 3: (1, 1, 1), 4: (0, 0, 0)},
    "brats2024-ped": {1: (1, 1, 1), 2: (0, 1, 1), 3: (0, 1, 1), 4: (0, 0, 1)},
    "brats2012": {1: (0, 1, 1), 2: (0, 0, 1), 3: (0, 1, 1), 4: (1, 1, 1)},
    "msd-task01": {1: (0, 0, 1), 2: (0, 1, 1), 3: (1, 1, 1)},
}
every_convention = pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)


def values_of(convention: LabelConvention) -> np.ndarray:
    return np.array([0, *convention.tissues], dtype=np.uint8)


def test_every_convention_is_covered_here() -> None:
    assert set(WRITTEN_AS) == set(MEMBERSHIP) == set(CONVENTIONS)


@every_convention
class TestEveryConvention:
    def test_values_belong_to_the_regions_of_the_challenge(self, convention: LabelConvention) -> None:
        expected = [(0, 0, 0), *(MEMBERSHIP[convention.name][value] for value in convention.tissues)]
        assert convention.to_regions(values_of(convention)).T.astype(int).tolist() == [*map(list, expected)]

    def test_labels_to_regions_and_back(self, convention: LabelConvention) -> None:
        values = values_of(convention)
        expected = [0, *(WRITTEN_AS[convention.name][value] for value in convention.tissues)]
        assert convention.from_regions(convention.to_regions(values)).tolist() == expected

    def test_labels_to_classes_and_back(self, convention: LabelConvention) -> None:
        values = values_of(convention)
        expected = [0, *(WRITTEN_AS[convention.name][value] for value in convention.tissues)]
        assert convention.from_classes(convention.to_classes(values)).tolist() == expected

    def test_classes_to_regions_and_back(self, convention: LabelConvention) -> None:
        classes = np.arange(len(convention.class_table), dtype=np.uint8)
        regions = convention.class_table[classes].T
        assert convention.classes_from_regions(regions).tolist() == classes.tolist()

    def test_class_order(self, convention: LabelConvention) -> None:
        assert convention.class_names[0] == "background"
        assert convention.class_names == ("background", "NCR", "ED", "ET")
        assert convention.class_table.astype(int).tolist() == [[0, 0, 0], [0, 1, 1], [0, 0, 1], [1, 1, 1]]

    def test_region_order(self, convention: LabelConvention) -> None:
        assert convention.region_names == ("ET", "TC", "WT")
        assert convention.regions is REGIONS

    def test_volumes_keep_their_shape_and_type(self, convention: LabelConvention) -> None:
        labels = np.zeros((3, 4, 5), dtype=np.uint8)
        regions, classes = convention.to_regions(labels), convention.to_classes(labels)
        assert (regions.shape, regions.dtype) == ((3, 3, 4, 5), bool)
        assert (classes.shape, classes.dtype) == ((3, 4, 5), np.uint8)
        assert convention.from_regions(regions).dtype == np.uint8

    def test_check_accepts_its_own_values(self, convention: LabelConvention) -> None:
        values = values_of(convention)
        for dtype in (np.uint8, np.int16, np.int64, np.float32, np.float64):
            checked = convention.check(values.astype(dtype), "case")
            assert checked.dtype == np.uint8
            assert checked.tolist() == values.tolist()

    def test_pickling_keeps_it_equal(self, convention: LabelConvention) -> None:
        again = pickle.loads(pickle.dumps(convention))
        assert again == convention
        assert hash(again) == hash(convention)

    @given(data=st.data())
    @settings(deadline=None, max_examples=25)
    def test_regions_of_labels_nest(self, convention: LabelConvention, data: st.DataObject) -> None:
        elements = st.sampled_from([0, *convention.tissues])
        labels = data.draw(arrays(np.uint8, (3, 3, 2), elements=elements))
        et, tc, wt = convention.to_regions(labels)
        assert not (et & ~tc).any()
        assert not (tc & ~wt).any()

    @given(masks=arrays(bool, (3, 4, 3, 2)))
    @settings(deadline=None, max_examples=25)
    def test_from_regions_is_idempotent_and_nests(
        self, convention: LabelConvention, masks: np.ndarray
    ) -> None:
        labels = convention.from_regions(masks)
        regions = convention.to_regions(labels)
        assert np.array_equal(convention.from_regions(regions), labels)
        et, tc, wt = masks
        # The outer region decides: nothing appears outside WT, no core outside TC.
        assert np.array_equal(regions, np.stack([et & tc & wt, tc & wt, wt]))

    @given(data=st.data())
    @settings(deadline=None, max_examples=25)
    def test_classes_and_regions_say_the_same(self, convention: LabelConvention, data: st.DataObject) -> None:
        elements = st.sampled_from([0, *convention.tissues])
        labels = data.draw(arrays(np.uint8, (4, 3), elements=elements))
        by_class = np.moveaxis(convention.class_table[convention.to_classes(labels)], -1, 0)
        assert np.array_equal(by_class, convention.to_regions(labels))


def test_regions_are_made_of_tissues() -> None:
    assert ET.tissues < TC.tissues < WT.tissues
    assert "RC" not in WT.tissues


@pytest.mark.parametrize(
    ("masks", "value"),
    [((1, 0, 1), 2), ((1, 0, 0), 0), ((1, 1, 0), 0), ((0, 1, 0), 0), ((0, 1, 1), 1), ((1, 1, 1), 4)],
)
def test_nesting_is_enforced(masks: tuple[int, int, int], value: int) -> None:
    regions = np.array(masks, dtype=bool)[:, None]
    assert CONVENTIONS["brats2017"].from_regions(regions).tolist() == [value]


def test_the_wrong_number_of_region_channels_is_named() -> None:
    with pytest.raises(LabelError, match=r"ET, TC, WT"):
        CONVENTIONS["brats2017"].from_regions(np.ones((2, 1), dtype=bool))


class TestValuesOutsideTheConvention:
    def test_the_message_names_file_value_and_fitting_conventions(self) -> None:
        with pytest.raises(LabelError) as caught:
            CONVENTIONS["brats2017"].check(np.array([0, 1, 2, 3]), "case7_seg.nii.gz")
        text = str(caught.value)
        assert "label value 3 is outside the convention 'brats2017'" in text
        assert caught.value.where == "case7_seg.nii.gz"
        assert "values 0, 1, 2, 4" in str(caught.value.expected)
        assert all(name in text for name in ("brats2023", "msd-task01", "data.convention"))

    def test_what_fits_depends_on_all_values(self) -> None:
        with pytest.raises(LabelError) as caught:
            CONVENTIONS["brats2023"].check(np.array([0, 1, 2, 3, 4]), "x")
        assert str(caught.value.remedy).endswith("brats2024-gli, brats2024-ped, brats2012")
        assert conventions_that_fit([0, 1, 2, 4]) == [
            "brats2017",
            "brats2024-gli",
            "brats2024-ped",
            "brats2012",
        ]

    def test_no_convention_is_suggested_when_none_fits(self) -> None:
        with pytest.raises(LabelError) as caught:
            CONVENTIONS["brats2017"].check(np.array([0, 77]), "x")
        assert "conventions" not in str(caught.value.remedy)
        assert conventions_that_fit([77]) == []

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.5, -1.0, 256.0, 257.0, 1.0001])
    def test_values_that_are_no_label(self, value: float) -> None:
        labels = np.array([0.0, 1.0, value])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(LabelError, match=f"{value:g}"):
                CONVENTIONS["brats2017"].check(labels, "x")

    def test_float_stored_labels_are_accepted(self) -> None:
        assert CONVENTIONS["brats2012"].check(np.array([0.0, 3.0, 4.0]), "x").tolist() == [0, 3, 4]

    def test_a_mask_without_tumour_fits(self) -> None:
        assert not CONVENTIONS["brats2017"].check(np.zeros((2, 2)), "x").any()

    @given(value=st.integers(-300, 300))
    @settings(deadline=None, max_examples=50)
    def test_exactly_the_values_of_the_convention_are_accepted(self, value: int) -> None:
        convention = CONVENTIONS["brats2017"]
        if value in {0, 1, 2, 4}:
            assert convention.check(np.array([value]), "x").tolist() == [value]
        else:
            with pytest.raises(LabelError, match="outside the convention"):
                convention.check(np.array([value]), "x")


class TestConventionOfTheUser:
    def test_a_mapping_of_brats_tissues(self) -> None:
        convention = custom_convention({1: "ET", 2: "NCR", 3: "ED"})
        values = np.array([0, 1, 2, 3], dtype=np.uint8)
        assert convention.regions == REGIONS
        assert convention.class_names == ("background", "NCR", "ED", "ET")
        assert convention.from_regions(convention.to_regions(values)).tolist() == values.tolist()
        assert convention.to_regions(values).astype(int).T.tolist()[1:] == [[1, 1, 1], [0, 1, 1], [0, 0, 1]]

    def test_values_written_as_text_are_numbers(self) -> None:
        assert custom_convention({"1": "ET"}).tissues == {1: "ET"}  # type: ignore[dict-item]

    def test_two_values_of_one_tissue_share_the_lower(self) -> None:
        convention = custom_convention({2: "ED", 3: "ET", 7: "ET"})
        regions = convention.to_regions(np.array([7], dtype=np.uint8))
        assert convention.from_regions(regions).tolist() == [3]

    def test_regions_of_its_own(self) -> None:
        convention = custom_convention({1: "left", 2: "right", 9: "stone"}, {"lung": ["left", "right"]})
        assert convention.region_names == ("lung",)
        assert convention.class_names == ("background", "left")
        assert convention.to_regions(np.array([0, 1, 2, 9], dtype=np.uint8)).tolist() == [
            [False, True, True, False]
        ]

    def test_regions_that_overlap_without_nesting(self) -> None:
        regions = {"A": ["x", "both"], "B": ["y", "both"]}
        convention = custom_convention({1: "x", 2: "y", 3: "both"}, regions)
        values = np.array([0, 1, 2, 3], dtype=np.uint8)
        assert convention.from_regions(convention.to_regions(values)).tolist() == values.tolist()

    def test_of_disjoint_regions_the_first_wins(self) -> None:
        for regions in ({"B": ["z"], "A": ["a"]}, {"A": ["a"], "B": ["z"]}):
            convention = custom_convention({1: "z", 2: "a"}, regions)
            first = next(iter(regions.values()))[0]
            value = convention.from_regions(np.ones((2, 1), dtype=bool))[0]
            assert convention.tissues[int(value)] == first

    @given(masks=arrays(bool, (3, 5)))
    @settings(deadline=None, max_examples=30)
    def test_going_back_is_idempotent_for_any_regions(self, masks: np.ndarray) -> None:
        convention = custom_convention(
            {1: "a", 2: "b", 3: "c", 4: "d"}, {"P": ["a", "b"], "Q": ["b", "c"], "R": ["d"]}
        )
        labels = convention.from_regions(masks)
        assert np.array_equal(convention.from_regions(convention.to_regions(labels)), labels)

    def test_a_tissue_without_a_value_cannot_be_written(self) -> None:
        convention = custom_convention({1: "ET"})
        only_oedema = np.array([[0], [0], [1]], dtype=bool)
        with pytest.raises(LabelError, match="no value for ED"):
            convention.from_regions(only_oedema)
        assert convention.from_regions(np.zeros((3, 2), dtype=bool)).tolist() == [0, 0]

    @pytest.mark.parametrize(
        ("tissues", "regions", "message"),
        [
            ({1: "EX"}, None, "unknown tissue 'EX'"),
            ({1: "tumor"}, {"T": ["tumour"]}, "did you mean 'tumor'"),
            ({0: "ET"}, None, "from 1 to 255"),
            ({256: "ET"}, None, "from 1 to 255"),
            ({}, None, "from 1 to 255"),
            ({"a": "ET"}, None, "whole numbers"),
            ({1.5: "ET"}, None, "whole numbers"),
            ({1: "ET", "1": "ED"}, None, "each given once"),
            ({1: "a"}, {}, "no region"),
            ({1: "a"}, {"T": []}, "region 'T' has no tissue"),
        ],
    )
    def test_mappings_that_cannot_work(
        self, tissues: dict[int, str], regions: dict[str, list[str]] | None, message: str
    ) -> None:
        with pytest.raises(ConfigError, match=message):
            custom_convention(tissues, regions)


def test_an_unknown_convention_names_the_closest() -> None:
    assert convention_named("brats2023").tissues[3] == "ET"
    with pytest.raises(ConfigError, match="did you mean 'brats2017'") as caught:
        convention_named("brats2018")
    assert caught.value.where == "data.convention"


def test_equal_conventions_are_equal_in_a_set() -> None:
    one = LabelConvention("own", {1: "ET", 2: "ED"})
    other = LabelConvention("own", {2: "ED", 1: "ET"})
    assert one == other
    assert len({one, other}) == 1
    with pytest.raises(TypeError):
        one.tissues[3] = "NCR"  # type: ignore[index]
