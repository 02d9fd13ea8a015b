"""Splits that hold out a site: patients stay whole, each site is validated once, bad tables are refused."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from brats3d import assembly
from brats3d.cases import Case
from brats3d.config import SplitConfig
from brats3d.data.sites import sites_of, split_by_site
from brats3d.errors import ConfigError, DataError
from brats3d.labels import CONVENTIONS


@pytest.fixture
def cases() -> list[Case]:
    """Five patients, the first of them with two visits."""
    ids = ["P0-000", "P0-001", "P1-000", "P2-000", "P3-000", "P4-000"]
    return [
        Case(case_id, case_id.split("-")[0], {"t1": Path("t1.nii")}, CONVENTIONS["brats2017"])
        for case_id in ids
    ]


def table(
    folder: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = ("patient_id", "site")
) -> Path:
    path = folder / "sites.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


BY_PATIENT = [("P0", "B"), ("P1", "A"), ("P2", "A"), ("P3", "C"), ("P4", "C"), ("P9", "elsewhere")]


def test_each_site_is_validated_once_and_never_trained_on_meanwhile(
    cases: list[Case], tmp_path: Path
) -> None:
    path = table(tmp_path, BY_PATIENT)
    splits = [split_by_site(cases, path, fold=fold, seed=0) for fold in range(3)]
    assert [split.val for split in splits] == [
        ("P1-000", "P2-000"),
        ("P0-000", "P0-001"),
        ("P3-000", "P4-000"),
    ]
    for split in splits:
        assert sorted((*split.train, *split.val)) == [case.case_id for case in cases]
        assert not split.test


def test_a_table_of_cases_says_the_same(cases: list[Case], tmp_path: Path) -> None:
    rows = [(case.case_id, dict(BY_PATIENT)[case.patient]) for case in cases]
    by_case = sites_of(cases, table(tmp_path, rows, ("case_id", "site")))
    assert by_case == sites_of(cases, table(tmp_path, BY_PATIENT))


def test_test_patients_are_the_same_for_all_sites(cases: list[Case], tmp_path: Path) -> None:
    path = table(tmp_path, [(patient, "A" if patient < "P3" else "B") for patient, _ in BY_PATIENT])
    splits = [split_by_site(cases, path, fold=fold, test=1, seed=1) for fold in range(2)]
    assert splits[0].test == splits[1].test != ()
    validated = [case_id for split in splits for case_id in split.val]
    assert sorted((*validated, *splits[0].test)) == [case.case_id for case in cases]


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (BY_PATIENT[1:], ("patient_id", "site"), "leaves cases out"),
        ([*BY_PATIENT, ("P1", "B")], ("patient_id", "site"), "two sites in the table"),
        ([*BY_PATIENT, ("P8", "")], ("patient_id", "site"), "without a site"),
        ([(patient, "A") for patient, _ in BY_PATIENT], ("patient_id", "site"), "held out from itself"),
        (BY_PATIENT, ("patient", "site"), "not a table of sites"),
    ],
)
def test_tables_that_do_not_fit(
    cases: list[Case], tmp_path: Path, rows: list[tuple[str, str]], header: tuple[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        sites_of(cases, table(tmp_path, rows, header))


def test_a_patient_of_two_sites(cases: list[Case], tmp_path: Path) -> None:
    rows = [(case.case_id, "A" if case.case_id == "P0-000" else "B") for case in cases]
    with pytest.raises(DataError, match="a patient of two sites") as caught:
        sites_of(cases, table(tmp_path, rows, ("case_id", "site")))
    assert "P0" in str(caught.value.got)


def test_no_such_file_and_no_such_fold(cases: list[Case], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        sites_of(cases, tmp_path / "none.csv")
    with pytest.raises(ConfigError, match="no such fold"):
        split_by_site(cases, table(tmp_path, BY_PATIENT), fold=3, seed=0)


@pytest.mark.parametrize("other", [{"folds": 3}, {"csv": "split.csv"}])
def test_sites_exclude_other_ways_to_split(cases: list[Case], tmp_path: Path, other: dict) -> None:
    config = SplitConfig(sites=str(table(tmp_path, BY_PATIENT)), test=0, stratify=False)
    assert assembly.split_cases(config, cases).val == ("P1-000", "P2-000")
    with pytest.raises(ConfigError, match="not both"):
        assembly.split_cases(SplitConfig(sites=config.sites, **other), cases)
