"""Rules from probabilities to regions and label maps."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from brats3d.errors import ConfigError, LabelError
from brats3d.labels import convention_named, custom_convention
from brats3d.postprocessing import Postprocessing

BRATS = convention_named("brats2017")  # NCR 1, ED 2, ET 4; regions ET, TC, WT
TUMOUR = custom_convention({1: "left", 2: "right"}, {"left lung": ["left"], "right lung": ["right"]})


def nested(shape: tuple[int, int, int] = (12, 12, 12)) -> np.ndarray:
    """WT of 512 voxels around TC of 64 around ET of 8, with probabilities of 0.9 inside."""
    probabilities = np.full((3, *shape), 0.1, np.float32)
    for index, half in enumerate((1, 2, 4)):
        inside = slice(6 - half, 6 + half)
        probabilities[index, inside, inside, inside] = 0.9
    return probabilities


def counts(masks: np.ndarray) -> list[int]:
    return masks.sum(axis=(1, 2, 3)).tolist()


def test_without_rules_half_is_the_threshold():
    masks = Postprocessing().regions(nested(), BRATS, 0.001)
    assert masks.dtype == bool
    assert counts(masks) == [8, 64, 512]


def test_probability_at_the_threshold_is_background():
    probabilities = np.full((3, 2, 2, 2), 0.5, np.float32)
    assert not Postprocessing().regions(probabilities, BRATS, 0.001).any()


def test_label_map_has_the_values_of_the_convention():
    labels = Postprocessing()(nested(), BRATS, 0.001)
    assert labels.dtype == np.uint8
    values, number = np.unique(labels, return_counts=True)
    assert dict(zip(values.tolist(), number.tolist(), strict=True)) == {0: 1216, 1: 56, 2: 448, 4: 8}
    newer = Postprocessing()(nested(), convention_named("brats2024-ped"), 0.001)
    assert set(np.unique(newer)) == {0, 1, 2, 4}
    assert (newer == 1).sum() == 8


def test_thresholds_of_each_region():
    probabilities = nested()
    assert counts(Postprocessing({"ET": 0.95}).regions(probabilities, BRATS, 0.001)) == [0, 64, 512]
    assert counts(Postprocessing({"WT": 0.05}).regions(probabilities, BRATS, 0.001)) == [8, 64, 1728]


def test_inner_regions_end_where_the_outer_ones_do():
    probabilities = nested()
    probabilities[0] = 0.9
    masks = Postprocessing().regions(probabilities, BRATS, 0.001)
    assert counts(masks) == [64, 64, 512]


def test_removed_outer_component_takes_the_inner_regions_along():
    probabilities = nested()
    probabilities[:, 0, 0, 0] = 0.9
    rules = Postprocessing(min_component_ml={"WT": 0.002})
    assert counts(rules.regions(probabilities, BRATS, 0.001)) == [8, 64, 512]


def test_removed_inner_component_falls_to_the_outer_region():
    labels = Postprocessing(min_component_ml={"ET": 0.009})(nested(), BRATS, 0.001)
    assert (labels == 4).sum() == 0
    assert (labels == 1).sum() == 64


def test_volumes_count_millilitres_not_voxels():
    rules = Postprocessing(min_component_ml={"ET": 0.009})
    assert counts(rules.regions(nested(), BRATS, 0.002)) == [8, 64, 512]


def test_largest_only():
    probabilities = nested()
    probabilities[2, 0, 0, 0] = 0.9
    assert counts(Postprocessing().regions(probabilities, BRATS, 0.001)) == [8, 64, 513]
    rules = Postprocessing(largest_only=("WT",))
    assert counts(rules.regions(probabilities, BRATS, 0.001)) == [8, 64, 512]


@pytest.mark.parametrize(("limit_ml", "et", "ncr"), [(0.0, 8, 56), (0.008, 8, 56), (0.0081, 0, 64)])
def test_tiny_et_becomes_ncr(limit_ml: float, et: int, ncr: int):
    labels = Postprocessing(et_to_ncr_below_ml=limit_ml)(nested(), BRATS, 0.001)
    assert ((labels == 4).sum(), (labels == 1).sum(), (labels == 2).sum()) == (et, ncr, 448)


def test_tiny_et_is_measured_over_the_whole_case_after_small_components():
    probabilities = nested((12, 12, 40))
    probabilities[:, 4:6, 4:6, 20:22] = 0.9
    volume = 0.016
    assert counts(Postprocessing(et_to_ncr_below_ml=volume).regions(probabilities, BRATS, 0.001))[0] == 16
    probabilities[0, 4, 4, 20] = 0.1
    assert counts(Postprocessing(et_to_ncr_below_ml=volume).regions(probabilities, BRATS, 0.001))[0] == 0
    both = Postprocessing(min_component_ml={"ET": 0.008}, et_to_ncr_below_ml=0.009)
    assert counts(both.regions(probabilities, BRATS, 0.001))[0] == 0


def test_regions_that_do_not_nest_are_left_alone():
    probabilities = np.zeros((2, 4, 4), np.float32)
    probabilities[0, :, :2] = 0.9
    probabilities[1, :, 2:] = 0.9
    rules = Postprocessing({"left lung": 0.6})
    np.testing.assert_array_equal(rules.regions(probabilities, TUMOUR, 0.001), probabilities > 0.5)
    assert rules(probabilities, TUMOUR, 0.001).tolist() == [[1, 1, 2, 2]] * 4


@settings(deadline=None, max_examples=40)
@given(
    probabilities=npst.arrays(np.float32, (3, 4, 3, 4), elements=st.floats(0, 1, width=32)),
    threshold=st.floats(0.1, 0.9),
    least=st.integers(0, 4),
    tiny=st.integers(0, 4),
)
def test_masks_nest_and_survive_the_label_map(
    probabilities: np.ndarray, threshold: float, least: int, tiny: int
):
    rules = Postprocessing(
        {"TC": threshold}, {"WT": least, "ET": least}, largest_only=["TC"], et_to_ncr_below_ml=tiny
    )
    et, tc, wt = masks = rules.regions(probabilities, BRATS, 1.0)
    assert not (et & ~tc).any()
    assert not (tc & ~wt).any()
    np.testing.assert_array_equal(BRATS.to_regions(rules(probabilities, BRATS, 1.0)), masks)


@settings(deadline=None, max_examples=40)
@given(weights=npst.arrays(np.float64, (4, 5, 5), elements=st.floats(0.01, 1)))
def test_softmax_sums_agree_with_the_class_that_has_the_majority(weights: np.ndarray):
    classes = weights**4 / (weights**4).sum(axis=0)
    regions = np.einsum("kr,k...->r...", BRATS.class_table.astype(float), classes)
    labels = Postprocessing()(regions, BRATS, 0.001)
    majority = classes.max(axis=0) > 0.5 + 1e-9
    expected = BRATS.from_classes(classes.argmax(axis=0).astype(np.uint8))
    np.testing.assert_array_equal(labels[majority], expected[majority])


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"thresholds": {"WT": 0.0}}, r"postprocess\.thresholds\.WT"),
        ({"thresholds": {"WT": 1.0}}, r"postprocess\.thresholds\.WT"),
        ({"thresholds": {"WT": float("nan")}}, r"postprocess\.thresholds\.WT"),
        ({"min_component_ml": {"ET": -1}}, r"postprocess\.min_component_ml\.ET"),
        ({"et_to_ncr_below_ml": -0.1}, r"postprocess\.et_to_ncr_below_ml"),
    ],
)
def test_values_that_cannot_work(rules: dict[str, object], message: str):
    with pytest.raises(ConfigError, match=message):
        Postprocessing(**rules)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rules", "key"),
    [
        ({"thresholds": {"wt": 0.4}}, "postprocess.thresholds"),
        ({"min_component_ml": {"wt": 0.4}}, "postprocess.min_component_ml"),
        ({"largest_only": ("wt",)}, "postprocess.largest_only"),
    ],
)
def test_region_that_is_not_predicted(rules: dict[str, object], key: str):
    with pytest.raises(ConfigError, match=rf"{key}(.|\n)*did you mean 'WT'"):
        Postprocessing(**rules).regions(nested(), BRATS, 0.001)  # type: ignore[arg-type]


def test_tiny_et_rule_needs_et():
    with pytest.raises(ConfigError, match="et_to_ncr_below_ml"):
        Postprocessing(et_to_ncr_below_ml=0.1).check(TUMOUR.region_names)


def test_convention_without_a_predicted_tissue():
    partial = custom_convention({1: "NCR", 2: "ED"})
    with pytest.raises(LabelError, match="no value for ET"):
        Postprocessing()(nested(), partial, 0.001)


def test_rules_cross_process_borders():
    rules = Postprocessing({"ET": 0.4}, {"WT": 0.1}, ["WT"], 0.2)
    assert pickle.loads(pickle.dumps(rules)) == rules


def test_probabilities_are_left_as_they_are():
    probabilities = nested()
    Postprocessing(min_component_ml={"ET": 1.0})(probabilities, BRATS, 0.001)
    np.testing.assert_array_equal(probabilities, nested())
