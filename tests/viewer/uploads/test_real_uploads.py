"""Real MRI, as somebody drops it."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from brats3d.imaging import read_volume
from brats3d.labels import CONVENTIONS
from brats3d.viewer.uploads import Limits, UploadStore

pytestmark = pytest.mark.real
FOUR = ("t1", "t1ce", "t2", "flair")


@pytest.fixture
def upload(tmp_path: Path) -> Any:
    store = UploadStore(tmp_path / "uploads", Limits())
    yield store.new()
    store.close()


def test_four_files_and_a_reference(real_data: Path, upload: Any, put: Any) -> None:
    folder = real_data / "brats2021" / "BraTS2021_00006"
    for path in sorted(folder.glob("*.nii.gz")):
        contents = put(upload, path.name, path.read_bytes(), 1 << 16)
    assert list(contents.assignment) == list(FOUR)
    assert (contents.reference, contents.problems) == ("BraTS2021_00006_seg.nii.gz", ())
    case = upload.case(FOUR, CONVENTIONS["brats2017"])
    assert case.label is not None
    for role, path in {"t1ce": case.images["t1ce"], "seg": case.label}.items():
        voxels, geometry = read_volume(path)
        expected, grid = read_volume(folder / f"BraTS2021_00006_{role}.nii.gz")
        np.testing.assert_array_equal(voxels, expected)
        np.testing.assert_array_equal(geometry.affine, grid.affine)
    shown = nib.load(upload.display_image("flair"))
    np.testing.assert_array_equal(np.asarray(shown.dataobj), read_volume(case.images["flair"])[0])
    classes = np.bincount(np.asarray(nib.load(upload.reference_image()).dataobj).ravel())
    assert (len(classes), classes.min() > 0) == (4, True)


def test_a_zip_of_a_folder_with_names_of_its_own(real_data: Path, upload: Any, put: Any) -> None:
    folder = real_data / "brats2015" / "brats_2013_pat0005_1"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"{folder.name}/{path.name}")
    contents = put(upload, "case.zip", file.getvalue(), 1 << 16)
    assert list(contents.assignment) == ["t1ce", "flair"]
    assert contents.reference == f"{folder.name}/OTMultiClass.nii.gz"
    assert contents.brain_mask == f"{folder.name}/brainmask.nii.gz"
    case = upload.case(["flair", "t1ce"], CONVENTIONS["brats2012"])
    assert case.convention == CONVENTIONS["brats2012"]
    voxels = read_volume(case.images["t1ce"])[0]
    shown = nib.load(upload.display_image("t1ce")).get_fdata()
    np.testing.assert_allclose(shown, voxels, atol=float(np.ptp(voxels)) / 1e5)


def test_cutting_a_real_file_anywhere_is_told(real_data: Path, upload: Any, put: Any) -> None:
    data = (real_data / "brats2021" / "BraTS2021_00006" / "BraTS2021_00006_t2.nii.gz").read_bytes()
    for size in (1 << 10, len(data) // 2, len(data) - 4):
        with pytest.raises(ValueError, match="torn") as caught:
            put(upload, "t2.nii.gz", data[:size], 1 << 16)
        assert caught.value.where == "t2.nii.gz"
    raw = gzip.decompress(data)
    with pytest.raises(ValueError, match="less than its header says"):
        put(upload, "t2.nii", raw[: len(raw) // 2], 1 << 16)
    assert upload.contents().files == ()
