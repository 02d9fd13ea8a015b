"""Detection of the layout, bad folders, links, and the real data sets."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from brats3d.data.discovery import discover
from brats3d.errors import ConfigError, LayoutError

ENDINGS_2021 = ("t1", "t1ce", "t2", "flair", "seg")
ENDINGS_2023 = ("t1n", "t1c", "t2w", "t2f", "seg")


def make_case(folder: Path, case_id: str, endings: tuple[str, ...] = ENDINGS_2021, joint: str = "_") -> Path:
    case = folder / case_id
    case.mkdir(parents=True, exist_ok=True)
    for ending in endings:
        (case / f"{case_id}{joint}{ending}.nii.gz").touch()
    return case


class TestWhatIsFound:
    def test_cases_are_sorted_and_paths_are_absolute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in (3, 1, 2):
            make_case(tmp_path, f"BraTS2021_0000{number}")
        monkeypatch.chdir(tmp_path)
        found = discover(".")
        assert [case.case_id[-1] for case in found.cases] == ["1", "2", "3"]
        assert all(path.is_absolute() for path in found.cases[0].images.values())
        assert found == discover(tmp_path)

    def test_a_case_folder_is_a_data_set_of_one(self, tmp_path: Path) -> None:
        make_case(tmp_path, "BraTS2021_00002")
        case = make_case(tmp_path, "BraTS2021_00001")
        assert [c.case_id for c in discover(case).cases] == ["BraTS2021_00001"]

    def test_files_of_all_cases_in_one_folder(self, tmp_path: Path) -> None:
        for case_id in ("BraTS2021_00001", "BraTS2021_00002"):
            for ending in ENDINGS_2021:
                (tmp_path / f"{case_id}_{ending}.nii.gz").touch()
        assert len(discover(tmp_path).cases) == 2

    def test_missing_modality_and_label_are_noted(self, tmp_path: Path) -> None:
        make_case(tmp_path, "BraTS2021_00001")
        make_case(tmp_path, "BraTS2021_00002", ("t1ce", "t2", "flair"))
        found = discover(tmp_path)
        assert list(found.cases[1].images) == ["t1ce", "t2", "flair"]
        assert "1 of 2 cases without t1 (BraTS2021_00002)" in found.notes
        assert "1 of 2 cases without a label map (BraTS2021_00002)" in found.notes

    def test_label_without_images_is_no_case(self, tmp_path: Path) -> None:
        make_case(tmp_path, "BraTS2021_00001", ("seg",))
        with pytest.raises(LayoutError, match="not a data set"):
            discover(tmp_path)

    def test_hidden_and_temporary_files_are_ignored(self, tmp_path: Path) -> None:
        case = make_case(tmp_path, "BraTS2021_00001", ("t1",))
        (case / "._BraTS2021_00001_t2.nii.gz").touch()
        (case / "BraTS2021_00001_t2.nii.gz~").touch()
        (case / "BraTS2021_00001_t2.nii.gz.part").touch()
        make_case(tmp_path / ".cache", "BraTS2021_00002")
        make_case(tmp_path / "__MACOSX", "BraTS2021_00003")
        found = discover(tmp_path)
        assert [list(c.images) for c in found.cases] == [["t1"]]

    def test_links_are_followed_and_keep_their_names(self, tmp_path: Path) -> None:
        source = make_case(tmp_path / "elsewhere", "BraTS2021_00001")
        root = tmp_path / "root"
        root.mkdir()
        (root / "linked").symlink_to(source, target_is_directory=True)
        (root / "loop").symlink_to(root, target_is_directory=True)
        (root / "BraTS2021_00009_t1.nii.gz").symlink_to(root / "nothing-there")
        found = discover(root)
        assert [case.case_id for case in found.cases] == ["BraTS2021_00001", "BraTS2021_00009"]
        assert found.cases[0].images["t1"].parent == root / "linked"

    def test_a_large_data_set_of_links_opens_no_image(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = make_case(tmp_path / "source", "BraTS2021_00000")
        root = tmp_path / "root"
        for number in range(1251):
            case_id = f"BraTS2021_{number:05d}"
            (root / case_id).mkdir(parents=True)
            for ending in ENDINGS_2021:
                target = source / f"BraTS2021_00000_{ending}.nii.gz"
                os.symlink(target, root / case_id / f"{case_id}_{ending}.nii.gz")

        def refuse(*_: object, **__: object) -> None:
            pytest.fail("a file was opened")

        monkeypatch.setattr("builtins.open", refuse)
        monkeypatch.setattr(Path, "open", refuse)
        cases = discover(root).cases
        monkeypatch.undo()
        assert len({case.patient for case in cases}) == 1251
        assert all(len(case.images) == 4 and case.label for case in cases)


class TestBadFolders:
    def test_missing_root(self, tmp_path: Path) -> None:
        with pytest.raises(LayoutError, match="does not exist"):
            discover(tmp_path / "nowhere")

    def test_root_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "scan.nii.gz").touch()
        with pytest.raises(LayoutError, match="not a folder"):
            discover(tmp_path / "scan.nii.gz")

    def test_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(LayoutError, match="the folder is empty"):
            discover(tmp_path)

    def test_folder_of_something_else_says_what_is_there_and_what_would_fit(self, tmp_path: Path) -> None:
        for name in ("a.png", "b.png", "notes.txt"):
            (tmp_path / name).touch()
        with pytest.raises(LayoutError) as caught:
            discover(tmp_path)
        message = str(caught.value)
        for part in ("3 files", "2 .png", "a.png", "BraTS2021_00006_t1ce.nii.gz", "imagesTr", "data.pattern"):
            assert part in message

    def test_unreadable_folders(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        make_case(tmp_path, "BraTS2021_00001")
        locked = make_case(tmp_path, "BraTS2021_00002")
        scandir = os.scandir

        def guarded(path: str) -> object:
            if Path(path) == locked:
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return scandir(path)

        monkeypatch.setattr("os.scandir", guarded)
        found = discover(tmp_path)
        assert len(found.cases) == 1
        assert f"folders that may not be listed were passed over: {locked}" in found.notes
        with pytest.raises(LayoutError, match="cannot list"):
            discover(locked)

    def test_same_case_in_two_places(self, tmp_path: Path) -> None:
        make_case(tmp_path / "a", "BraTS2021_00001")
        make_case(tmp_path / "b", "BraTS2021_00001")
        with pytest.raises(LayoutError, match="more than once") as caught:
            discover(tmp_path)
        assert str(tmp_path / "a") in str(caught.value)
        assert str(tmp_path / "b") in str(caught.value)

    def test_far_too_many_folders(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("brats3d.data.layouts.tree._MOST_FOLDERS", 3)
        for number in range(5):
            (tmp_path / str(number)).mkdir()
        with pytest.raises(LayoutError, match="too many folders"):
            discover(tmp_path)

    def test_unknown_names_suggest_the_closest(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="did you mean 'brats2021'"):
            discover(tmp_path, layout="brats_2021")
        with pytest.raises(ConfigError, match="did you mean 'brats2017'"):
            discover(tmp_path, convention="brats17")


class TestSeveralLayouts:
    def test_equal_matches_are_listed(self, tmp_path: Path) -> None:
        make_case(tmp_path, "BraTS20_Training_001")
        make_case(tmp_path, "BraTS2021_00001")
        with pytest.raises(LayoutError, match="several layouts") as caught:
            discover(tmp_path)
        assert "brats2020" in str(caught.value)
        assert "brats2021" in str(caught.value)
        assert len(discover(tmp_path, layout="brats2021").cases) == 2

    def test_two_data_sets_in_one_folder_are_not_mixed(self, tmp_path: Path) -> None:
        for number in range(3):
            make_case(tmp_path, f"BraTS2021_0000{number}")
        make_case(tmp_path, "BraTS-GLI-00001-000", ENDINGS_2023, "-")
        with pytest.raises(LayoutError, match="several layouts"):
            discover(tmp_path)
        assert len(discover(tmp_path, layout="brats2023").cases) == 1

    def test_a_guest_with_the_same_endings_is_read_and_noted(self, tmp_path: Path) -> None:
        for case_id in ("BraTS20_Training_001", "BraTS20_Training_002", "BraTS2024_SSA-00230-000"):
            make_case(tmp_path, case_id)
        found = discover(tmp_path)
        assert (found.layout, len(found.cases)) == ("brats2020", 3)
        assert any("BraTS2024_SSA-00230-000" in note for note in found.notes)


@pytest.mark.real
class TestRealData:
    def test_brats2021(self, real_data: Path) -> None:
        found = discover(real_data / "brats2021")
        assert (found.layout, found.convention.name, len(found.cases)) == ("brats2021", "brats2017", 6)
        assert found.notes == ()
        assert all(len(case.images) == 4 and case.label for case in found.cases)

    def test_brats2015_by_pattern(self, real_data: Path) -> None:
        found = discover(
            real_data / "brats2015",
            pattern={
                "flair": "{case}/Flair_subtrMeanDivStd.nii.gz",
                "t1ce": "{case}/T1c_subtrMeanDivStd.nii.gz",
                "label": "{case}/OTMultiClass.nii.gz",
                "mask": "{case}/brainmask.nii.gz",
            },
            convention="brats2012",
        )
        assert len(found.cases) == 4
        assert all(case.label and case.brain_mask and len(case.images) == 2 for case in found.cases)
        with pytest.raises(LayoutError, match=r"data\.pattern"):
            discover(real_data / "brats2015")

    def test_brats2020_odd(self, real_data: Path) -> None:
        found = discover(real_data / "brats2020_odd")
        assert (found.layout, len(found.cases)) == ("brats2020", 3)
        cases = {case.case_id: case for case in found.cases}
        assert list(cases["BraTS20_Training_369"].images) == ["t1ce", "t2", "flair"]
        assert "1 of 3 cases without t1 (BraTS20_Training_369)" in found.notes

    def test_brats_met(self, real_data: Path) -> None:
        found = discover(real_data / "brats_met")
        assert (found.layout, found.convention.name) == ("brats2023", "brats2023")
        case = found.cases[0]
        assert (case.patient, case.visit, case.label) == ("BraTS-MET-00110", "000", None)
        assert discover(real_data / "brats_met" / case.case_id).cases == found.cases

    def test_the_folder_of_all_data_sets_is_none(self, real_data: Path) -> None:
        with pytest.raises(LayoutError, match="several layouts"):
            discover(real_data)
