"""What every layout must do, on a folder of empty files: names decide, nothing is opened."""

from __future__ import annotations

from pathlib import Path

import pytest
from layout_folders import MAKERS, touch

from brats3d.cases import MODALITIES
from brats3d.data.discovery import discover
from brats3d.data.layouts import LAYOUTS
from brats3d.data.layouts.visits import patient_and_visit
from brats3d.errors import LayoutError
from brats3d.labels import CONVENTIONS


@pytest.mark.parametrize("name", MAKERS)
class TestEveryLayout:
    """What every entry of the registry must do."""

    def test_is_detected_with_all_cases(self, name: str, tmp_path: Path) -> None:
        MAKERS[name](tmp_path)
        found = discover(tmp_path)
        assert found.layout == name
        assert len(found.cases) == {"brats2023": 4, "msd": 2, "nnunet": 2}.get(name, 3)
        for case in found.cases:
            assert tuple(case.images) == MODALITIES
            assert case.label is not None
            assert all(path.is_file() for path in (*case.images.values(), case.label))
            assert case.convention == found.convention

    def test_named_is_the_same_as_detected(self, name: str, tmp_path: Path) -> None:
        MAKERS[name](tmp_path)
        assert discover(tmp_path, layout=name) == discover(tmp_path)

    def test_entry_is_registered_under_its_name_and_described(self, name: str) -> None:
        layout = LAYOUTS[name]
        assert layout.name == name
        assert layout.description
        assert layout.example

    def test_convention_of_the_user_wins(self, name: str, tmp_path: Path) -> None:
        MAKERS[name](tmp_path)
        found = discover(tmp_path, convention="brats2024-ped")
        assert found.convention == CONVENTIONS["brats2024-ped"]
        assert {case.convention.name for case in found.cases} == {"brats2024-ped"}
        assert discover(tmp_path, convention=CONVENTIONS["brats2012"]).convention.name == "brats2012"

    def test_another_folder_is_not_taken_for_it(self, name: str, tmp_path: Path) -> None:
        touch(tmp_path, ["a/photo.png", "b/scan.nii.gz", "README.txt"])
        with pytest.raises(LayoutError, match="no case in layout"):
            discover(tmp_path, layout=name)


def test_case_names_tell_patient_and_visit() -> None:
    assert patient_and_visit("BraTS-GLI-00005-100") == ("BraTS-GLI-00005", "100")
    assert patient_and_visit("BraTS-MEN-00004-000") == ("BraTS-MEN-00004", "000")
    assert patient_and_visit("BraTS-GoAT-00001") == ("BraTS-GoAT-00001", "")
    assert patient_and_visit("Brats18_TCIA01_150_1") == ("Brats18_TCIA01_150", "1")
    assert patient_and_visit("BraTS20_Training_001") == ("BraTS20_Training_001", "")
    assert patient_and_visit("BraTS2021_00006") == ("BraTS2021_00006", "")
