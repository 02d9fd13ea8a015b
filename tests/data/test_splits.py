"""Splits by patient: examples, and the properties that must hold for any data set."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brats3d.cases import Case
from brats3d.data.discovery import discover
from brats3d.data.splits import (
    Split,
    split_by_fractions,
    split_from_csv,
    split_into_folds,
    strata_by_presence,
)
from brats3d.errors import ConfigError, DataError, LabelError
from brats3d.imaging import Geometry, write_label_map
from brats3d.labels import CONVENTIONS, ET, TC, Region

BRATS2017 = CONVENTIONS["brats2017"]
PROPERTY = settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def make_cases(visits: Sequence[int]) -> list[Case]:
    """One patient per entry, with that many visits."""
    return [
        Case(f"P{patient:03d}-{visit:03d}", f"P{patient:03d}", {"t1": Path("t1.nii")}, BRATS2017)
        for patient, count in enumerate(visits)
        for visit in range(count)
    ]


def patients_of(ids: Sequence[str]) -> set[str]:
    return {case_id.split("-")[0] for case_id in ids}


def assert_whole(split: Split, cases: Sequence[Case]) -> None:
    """Every case is in exactly one part, every patient too."""
    parts = (split.train, split.val, split.test)
    assert sorted(case_id for ids in parts for case_id in ids) == sorted(case.case_id for case in cases)
    patients = [patients_of(ids) for ids in parts]
    assert sum(map(len, patients)) == len(set().union(*patients))


visits = st.lists(st.integers(1, 4), min_size=3, max_size=40)
fractions = st.floats(0, 0.45)


class TestFractions:
    @PROPERTY
    @given(visits=visits, val=fractions, test=fractions, seed=st.integers(0, 2**32), data=st.data())
    def test_no_patient_is_on_two_sides(
        self, visits: list[int], val: float, test: float, seed: int, data: st.DataObject
    ) -> None:
        cases = make_cases(visits)
        strata = {case.case_id: data.draw(st.booleans()) for case in cases}
        split = split_by_fractions(cases, val=val, test=test, seed=seed, strata=strata)
        assert_whole(split, cases)
        assert split.train
        assert bool(split.val) == (val > 0)
        assert bool(split.test) == (test > 0)

    @PROPERTY
    @given(visits=visits, seed=st.integers(0, 1000))
    def test_depends_on_seed_and_names_alone(self, visits: list[int], seed: int) -> None:
        cases = make_cases(visits)
        shuffled = random.Random(seed).sample(cases, len(cases))
        random.seed(seed + 1)
        first = split_by_fractions(cases, val=0.3, test=1, seed=seed)
        random.seed(seed + 2)
        assert split_by_fractions(shuffled, val=0.3, test=1, seed=seed) == first

    @PROPERTY
    @given(with_et=st.integers(0, 60), without=st.integers(0, 60), seed=st.integers(0, 1000))
    def test_strata_keep_their_share(self, with_et: int, without: int, seed: int) -> None:
        total = with_et + without
        if total < 5:
            return
        cases = make_cases([1] * total)
        strata = {case.case_id: index < with_et for index, case in enumerate(cases)}
        split = split_by_fractions(cases, val=0.2, test=0.2, seed=seed, strata=strata)
        for ids in (split.train, split.val, split.test):
            count = sum(strata[case_id] for case_id in ids)
            assert abs(count - len(ids) * with_et / total) < 2

    @pytest.mark.parametrize(
        ("patients", "val", "test", "sizes"),
        [
            (6, 0.2, 0.2, (4, 1, 1)),
            (3, 0.2, 0.2, (1, 1, 1)),
            (10, 0.2, 0.1, (7, 2, 1)),
            (10, 3, 0.2, (5, 3, 2)),
            (4, 0, 0, (4, 0, 0)),
            (4, 0.25, 0, (3, 1, 0)),
            (10, 0.49, 0.5, (1, 4, 5)),
            (1251, 0.1, 0.2, (876, 125, 250)),
        ],
    )
    def test_sizes(self, patients: int, val: float, test: float, sizes: tuple[int, int, int]) -> None:
        split = split_by_fractions(make_cases([1] * patients), val=val, test=test, seed=3)
        assert (len(split.train), len(split.val), len(split.test)) == sizes

    def test_every_patient_gets_everywhere_over_seeds(self) -> None:
        cases = make_cases([1] * 6)
        strata = {case.case_id: index < 5 for index, case in enumerate(cases)}
        splits = [split_by_fractions(cases, val=1, test=1, seed=s, strata=strata) for s in range(80)]
        for part in ("train", "val", "test"):
            assert {i for split in splits for i in getattr(split, part)} == set(strata)

    @pytest.mark.parametrize(("patients", "val", "test"), [(2, 0.2, 0.2), (1, 0.5, 0), (5, 5, 0), (0, 0, 0)])
    def test_too_few_patients(self, patients: int, val: float, test: float) -> None:
        with pytest.raises(DataError, match="too few patients") as caught:
            split_by_fractions(make_cases([1] * patients), val=val, test=test, seed=0)
        assert caught.value.remedy

    @pytest.mark.parametrize(("val", "test"), [(-0.1, 0), (1.0, 0), (0, -1), (0.5, 0.5), (float("nan"), 0)])
    def test_sizes_that_cannot_be(self, val: float, test: float) -> None:
        with pytest.raises(ConfigError, match=r"split\."):
            split_by_fractions(make_cases([1] * 9), val=val, test=test, seed=0)

    def test_duplicate_ids(self) -> None:
        with pytest.raises(DataError, match="same id"):
            split_by_fractions(make_cases([1, 1]) * 2, val=0, test=0, seed=0)


class TestFolds:
    @PROPERTY
    @given(
        visits=st.lists(st.integers(1, 4), min_size=8, max_size=40),
        folds=st.integers(2, 5),
        test=st.integers(0, 3),
        seed=st.integers(0, 1000),
    )
    def test_folds_partition_what_is_not_tested(
        self, visits: list[int], folds: int, test: int, seed: int
    ) -> None:
        cases = make_cases(visits)
        splits = [
            split_into_folds(cases, folds=folds, fold=fold, test=test, seed=seed) for fold in range(folds)
        ]
        for split in splits:
            assert_whole(split, cases)
            assert split.test == splits[0].test
        validated = sorted(case_id for split in splits for case_id in split.val)
        assert validated == sorted({case.case_id for case in cases} - set(splits[0].test))
        sizes = [len(patients_of(split.val)) for split in splits]
        assert max(sizes) - min(sizes) <= 1
        assert len(patients_of(splits[0].test)) == test

    @PROPERTY
    @given(with_et=st.integers(0, 30), seed=st.integers(0, 1000))
    def test_strata_are_dealt_evenly(self, with_et: int, seed: int) -> None:
        cases = make_cases([1] * 30)
        strata = {case.case_id: index < with_et for index, case in enumerate(cases)}
        counts = [
            sum(
                strata[i]
                for i in split_into_folds(cases, folds=5, fold=f, test=0, seed=seed, strata=strata).val
            )
            for f in range(5)
        ]
        assert max(counts) - min(counts) <= 1

    @pytest.mark.parametrize(("folds", "fold"), [(1, 0), (0, 0), (5, 5), (5, -1)])
    def test_no_such_fold(self, folds: int, fold: int) -> None:
        with pytest.raises(ConfigError, match="no such fold"):
            split_into_folds(make_cases([1] * 9), folds=folds, fold=fold, test=0, seed=0)

    def test_fewer_patients_than_folds(self) -> None:
        with pytest.raises(DataError, match="too few patients for the folds"):
            split_into_folds(make_cases([3, 3, 3]), folds=3, fold=0, test=1, seed=0)


def write_table(
    path: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = ("case_id", "split")
) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


class TestCsv:
    @PROPERTY
    @given(visits=visits, data=st.data())
    def test_a_table_is_followed_or_refused(
        self, visits: list[int], data: st.DataObject, tmp_path: Path
    ) -> None:
        cases = make_cases(visits)
        parts = st.sampled_from(["train", "val", "test"])
        rows = {case.case_id: data.draw(parts) for case in cases}
        if data.draw(st.booleans()):
            rows = {case.case_id: rows[f"{case.patient}-000"] for case in cases}
        table = write_table(tmp_path / "split.csv", list(rows.items()))
        sides = {
            case.patient: {rows[c.case_id] for c in cases if c.patient == case.patient} for case in cases
        }
        if any(len(parts) > 1 for parts in sides.values()):
            with pytest.raises(DataError, match="parts the visits of a patient"):
                split_from_csv(cases, table)
        elif "train" not in rows.values():
            with pytest.raises(DataError, match="no case to train on"):
                split_from_csv(cases, table)
        else:
            split = split_from_csv(cases, table)
            assert_whole(split, cases)
            assert all(split.of(case_id) == part for case_id, part in rows.items())

    def test_other_columns_spaces_and_a_byte_order_mark_do_no_harm(self, tmp_path: Path) -> None:
        table = tmp_path / "split.csv"
        table.write_text("site, case_id ,split\nA, P000-000 ,train\nB,P001-000, val\n", encoding="utf-8-sig")
        assert split_from_csv(make_cases([1, 1]), table) == Split(("P000-000",), ("P001-000",))

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ([("P000-000", "train")], "leaves out 1 of 2 cases"),
            ([("P000-000", "train"), ("P001-000", "val"), ("P001-001", "val")], "does not have"),
            ([("P000-000", "train"), ("P001-000", "dev")], "unknown part 'dev'"),
            ([("P000-000", "train"), ("P000-000", "val"), ("P001-000", "val")], "twice"),
            ([("P000-000", "train"), ("P001-000",)], "unknown part"),
            ([], "not a table"),
        ],
    )
    def test_wrong_rows(self, rows: list[tuple[str, ...]], message: str, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=message):
            split_from_csv(make_cases([1, 1]), write_table(tmp_path / "split.csv", rows))

    def test_wrong_file(self, tmp_path: Path) -> None:
        cases = make_cases([1, 1])
        with pytest.raises(DataError, match="cannot read"):
            split_from_csv(cases, tmp_path / "none.csv")
        with pytest.raises(DataError, match="columns name, part"):
            split_from_csv(cases, write_table(tmp_path / "other.csv", [("a", "b")], ("name", "part")))
        (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x80case_id,split")
        with pytest.raises(DataError, match="cannot read"):
            split_from_csv(cases, tmp_path / "binary.csv")


class TestSplit:
    def test_round_trip_and_look_up(self) -> None:
        split = Split(("a", "b"), ("c",), ("d",))
        assert Split.from_dict(split.to_dict()) == split
        assert [split.of(i) for i in "abcd"] == ["train", "train", "val", "test"]
        with pytest.raises(DataError, match="no part"):
            split.of("e")

    def test_a_case_twice(self) -> None:
        with pytest.raises(DataError, match="twice"):
            Split(("a",), ("a",))

    def test_not_a_split(self) -> None:
        with pytest.raises(DataError, match="not a split"):
            Split.from_dict({"train": ["a"]})

    def test_select(self) -> None:
        cases = make_cases([1, 1])
        split = Split(("P001-000",), ("P000-000",))
        assert [case.case_id for case in split.select(cases, "train")] == ["P001-000"]
        with pytest.raises(DataError, match="not in the data set"):
            split.select(cases[:1], "train")


class TestPresence:
    def labelled(self, folder: Path, *values: int) -> Case:
        labels = np.zeros((3, 3, 3), np.uint8)
        labels.flat[: len(values)] = values
        path = folder / f"{'_'.join(map(str, values))}.nii.gz"
        write_label_map(path, labels, Geometry((3, 3, 3), np.eye(4)), overwrite=True)
        return Case(path.name, path.name, {"t1": path}, BRATS2017, label=path)

    def test_reads_the_labelled_cases(self, tmp_path: Path) -> None:
        cases = [self.labelled(tmp_path, *values) for values in [(1, 2), (2, 4), (2, 2), (0,)]]
        unlabelled = make_cases([1])
        assert list(strata_by_presence([*cases, *unlabelled], ET).values()) == [False, True, False, False]
        assert list(strata_by_presence(cases, TC).values()) == [True, True, False, False]

    def test_wrong_value_or_region(self, tmp_path: Path) -> None:
        with pytest.raises(LabelError, match="label value 3"):
            strata_by_presence([self.labelled(tmp_path, 3)], ET)
        with pytest.raises(ConfigError, match="no region 'lung'"):
            strata_by_presence([self.labelled(tmp_path, 1)], Region("lung", frozenset({"lung"})))

    @pytest.mark.real
    def test_the_real_case_without_enhancing_tumour(self, real_data: Path) -> None:
        cases = discover(real_data / "brats2021").cases
        presence = strata_by_presence(cases, ET)
        assert [case_id for case_id, has in presence.items() if not has] == ["BraTS2021_01480"]
        split = split_by_fractions(cases, val=0.2, test=0.2, seed=0, strata=presence)
        assert (len(split.train), len(split.val), len(split.test)) == (4, 1, 1)
