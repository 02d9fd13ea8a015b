"""The layouts of the BraTS years, on folders of empty files."""

from __future__ import annotations

from pathlib import Path

import pytest
from layout_folders import DASHED, MAKERS, UNDERSCORED, add_case, make_brats2020, make_brats2023, touch

from brats3d.data.discovery import discover


def test_years_until_2022_have_the_convention_of_2017(tmp_path: Path) -> None:
    for name in ("brats2018", "brats2020", "brats2021"):
        MAKERS[name](tmp_path / name)
        assert discover(tmp_path / name).convention.name == "brats2017"


def test_validation_set_of_2018_has_no_grades(tmp_path: Path) -> None:
    add_case(tmp_path, "Brats18_CBICA_AAM_1", UNDERSCORED[:4])
    found = discover(tmp_path)
    assert found.layout == "brats2018"
    assert found.cases[0].label is None
    assert any("no case has a label map" in note for note in found.notes)


def test_case_355_of_2020_has_its_oddly_named_mask(tmp_path: Path) -> None:
    make_brats2020(tmp_path)
    labels = {case.case_id: case.label for case in discover(tmp_path).cases}
    odd = labels["BraTS20_Training_355"]
    assert odd is not None
    assert odd.name == "W39_1998.09.19_Segm.nii"


def test_of_two_files_with_one_name_the_compressed_one_is_read_and_reported(tmp_path: Path) -> None:
    add_case(tmp_path, "BraTS20_Training_001")
    touch(tmp_path / "BraTS20_Training_001", ["BraTS20_Training_001_t1.nii"])
    found = discover(tmp_path)
    assert found.cases[0].images["t1"].name == "BraTS20_Training_001_t1.nii.gz"
    assert any("BraTS20_Training_001_t1.nii is not read" in note for note in found.notes)


def test_names_of_no_year_are_read_as_2021_with_a_note(tmp_path: Path) -> None:
    add_case(tmp_path, "patient_7")
    found = discover(tmp_path)
    assert (found.layout, found.convention.name) == ("brats2021", "brats2017")
    assert any("patient_7" in note and "data.convention" in note for note in found.notes)
    assert not discover(tmp_path, convention="brats2023").notes


class TestBrats2023:
    @pytest.mark.parametrize("cohort", ["GLI", "MEN", "MET", "SSA", "GoAT"])
    def test_cohorts_of_2023(self, cohort: str, tmp_path: Path) -> None:
        add_case(tmp_path, f"BraTS-{cohort}-00005-000", DASHED)
        found = discover(tmp_path)
        assert (found.layout, found.convention.name, found.notes) == ("brats2023", "brats2023", ())

    def test_visits_of_a_patient(self, tmp_path: Path) -> None:
        make_brats2023(tmp_path)
        cases = {case.case_id: case for case in discover(tmp_path).cases}
        assert cases["BraTS-GLI-00005-000"].patient == cases["BraTS-GLI-00005-001"].patient
        assert cases["BraTS-GLI-00005-001"].visit == "001"

    def test_post_treatment_gliomas_have_a_cavity(self, tmp_path: Path) -> None:
        add_case(tmp_path, "BraTS-GLI-00005-100", DASHED)
        add_case(tmp_path, "BraTS-GLI-00006-000", DASHED)
        found = discover(tmp_path)
        assert found.convention.name == "brats2024-gli"
        assert {case.convention.name for case in found.cases} == {"brats2024-gli"}
        assert any("BraTS-GLI-00005-100" in note for note in found.notes)

    def test_a_high_visit_of_another_cohort_is_not_post_treatment(self, tmp_path: Path) -> None:
        add_case(tmp_path, "BraTS-MET-00005-100", DASHED)
        assert discover(tmp_path).convention.name == "brats2023"

    def test_paediatric_cases_are_reported_as_open(self, tmp_path: Path) -> None:
        add_case(tmp_path, "BraTS-PED-00001-000", DASHED)
        found = discover(tmp_path)
        assert found.convention.name == "brats2023"
        assert any("brats2024-ped" in note for note in found.notes)
        assert not discover(tmp_path, convention="brats2024-ped").notes
