"""From one file to the case: spellings of all years, files in one 4-D volume, what is missing."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brats3d.bundles.scripts.siblings import FindCased, convention_of, find_case, find_cases
from brats3d.cases import MODALITIES
from brats3d.errors import DataError
from brats3d.labels import CONVENTIONS

CONVENTION = CONVENTIONS["brats2023"]
SPELLINGS = {
    "2021": ("BraTS2021_00001_{}.nii.gz", ("t1", "t1ce", "t2", "flair")),
    "2023": ("BraTS-GLI-00001-000-{}.nii.gz", ("t1n", "t1c", "t2w", "t2f")),
    "capitals": ("Pat.7_{}.nii", ("T1", "T1CE", "T2", "FLAIR")),
    "bare": ("{}.nii.gz", ("t1", "t1gd", "t2", "flair")),
}


def write(path: Path, shape: tuple[int, ...] = (4, 4, 4)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.ones(shape, dtype=np.float32), np.eye(4)), path)
    return path


@pytest.mark.parametrize("year", SPELLINGS)
@pytest.mark.parametrize("given", range(4))
def test_one_file_leads_to_the_others(tmp_path: Path, year: str, given: int) -> None:
    pattern, names = SPELLINGS[year]
    folder = tmp_path / "case_7"
    files = [write(folder / pattern.format(name)) for name in names]
    write(folder / pattern.format("seg"))
    if year != "bare":
        write(folder / "other_t1.nii.gz")
    case = find_case(files[given], MODALITIES, CONVENTION)
    assert dict(case.images) == dict(zip(MODALITIES, files, strict=True))
    expected = {
        "2021": "BraTS2021_00001",
        "2023": "BraTS-GLI-00001-000",
        "capitals": "Pat.7",
        "bare": "case_7",
    }
    assert case.case_id == expected[year]


def test_only_the_modalities_of_the_model_are_needed(tmp_path: Path) -> None:
    t1ce, flair = (write(tmp_path / f"a_{name}.nii.gz") for name in ("t1ce", "flair"))
    case = find_case(str(flair), ("flair", "t1ce"), CONVENTION, label=tmp_path / "a_seg.nii.gz")
    assert list(case.images.items()) == [("flair", flair), ("t1ce", t1ce)]
    assert case.label == tmp_path / "a_seg.nii.gz"


def test_a_missing_sibling_is_named(tmp_path: Path) -> None:
    for name in ("t1", "t1ce", "flair"):
        write(tmp_path / f"a_{name}.nii.gz")
    with pytest.raises(DataError, match="the t2 image") as caught:
        find_case(tmp_path / "a_t1.nii.gz", MODALITIES, CONVENTION)
    assert caught.value.where == "a"
    assert caught.value.expected == f"a file such as {tmp_path / 'a_t2.nii.gz'}"
    assert caught.value.remedy


def test_a_name_without_a_modality(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not tell its modality"):
        find_case(write(tmp_path / "head.nii.gz"), MODALITIES, CONVENTION)


def test_a_file_for_each_modality_may_have_any_name(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{letter}.nii.gz") for letter in "dbca"]
    assert list(find_case(files, MODALITIES, CONVENTION).images.values()) == files
    with pytest.raises(DataError, match="wrong number of images") as caught:
        find_case(files[:3], MODALITIES, CONVENTION)
    assert (caught.value.got, caught.value.expected) == ("3 files", "4: t1, t1ce, t2, flair")


def test_a_file_with_all_channels(tmp_path: Path) -> None:
    path = write(tmp_path / "head.nii.gz", (4, 4, 4, 4))
    case = find_case(path, MODALITIES, CONVENTION)
    assert case.case_id == "head"
    assert set(case.images.values()) == {path}
    assert dict(case.channels) == {"t1": 0, "t1ce": 1, "t2": 2, "flair": 3}
    with pytest.raises(DataError, match="wrong number of images") as caught:
        find_case(path, ("flair", "t1ce"), CONVENTION)
    assert caught.value.got == "4 channels"


def test_the_cases_of_a_folder(tmp_path: Path) -> None:
    for name in ("t1", "t1ce", "t2", "flair", "seg"):
        write(tmp_path / "one" / f"one_{name}.nii.gz")
    for name in ("t1n", "t1c", "t2w", "t2f"):
        write(tmp_path / "two" / f"two-{name}.nii")
    write(tmp_path / "head.nii.gz", (4, 4, 4, 4))
    write(tmp_path / "other.nii.gz", (4, 4, 4, 2))
    (tmp_path / "torn.nii.gz").write_bytes(b"no NIfTI")
    assert find_cases(tmp_path, MODALITIES) == [
        {"image": str(tmp_path / "head.nii.gz")},
        {
            "image": str(tmp_path / "one" / "one_t1.nii.gz"),
            "label": str(tmp_path / "one" / "one_seg.nii.gz"),
        },
        {"image": str(tmp_path / "two" / "two-t1n.nii")},
    ]


def test_a_folder_without_cases(tmp_path: Path) -> None:
    write(tmp_path / "a_t2.nii.gz")
    with pytest.raises(DataError, match="no case found") as caught:
        find_cases(tmp_path, MODALITIES)
    assert caught.value.where == tmp_path


def test_the_transform_adds_the_case(tmp_path: Path) -> None:
    labels = {"name": "own", "values": {"7": "tumor"}, "regions": {"all": ["tumor"]}}
    path = write(tmp_path / "a_flair.nii.gz")
    sample = FindCased(["flair"], labels)({"image": str(path), "kept": 1})
    assert sample["kept"] == 1
    assert dict(sample["case"].images) == {"flair": path}
    assert sample["case"].convention == convention_of(labels)
    assert dict(sample["case"].convention.tissues) == {7: "tumor"}


def test_modalities_beside_those_of_brats(tmp_path: Path) -> None:
    path = tmp_path / "A_xray.nii.gz"
    path.touch()
    assert find_case(path, ("xray",), CONVENTION).case_id == "A"
    assert find_cases(tmp_path, ("xray",)) == [{"image": str(path)}]
