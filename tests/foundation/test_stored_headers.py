"""Headers as they are stored, before a reader puts them right."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brats3d.imaging.headers import StoredHeader, read_stored_header

SHAPE = (3, 4, 5)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("endianness", ["<", ">"])
@pytest.mark.parametrize("size", [1.5, 0.0, -2.0, np.inf])
def test_voxel_sizes_are_as_stored(
    tmp_path: Path, ending: str, kind: type, endianness: str, size: float
) -> None:
    header = kind.header_class(endianness=endianness)
    header.set_data_shape(SHAPE)
    header.set_data_dtype(np.uint8)
    header["pixdim"][1:4] = (1, size, 3)
    header["vox_offset"] = 544
    header["magic"] = header["magic"].item().replace(b"ni1", b"n+1")
    path = tmp_path / f"volume{ending}"
    with nib.openers.ImageOpener(path, "wb") as file:
        file.write(header.binaryblock + bytes(1000))
    assert read_stored_header(path) == StoredHeader(SHAPE, (1, size, 3))


@pytest.mark.parametrize("shape", [(6,), (6, 7), (6, 7, 8, 2)])
def test_other_numbers_of_axes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    nib.save(nib.Nifti1Image(np.zeros(shape, np.uint8), np.diag([2.0, 3, 4, 1])), tmp_path / "a.nii")
    assert read_stored_header(tmp_path / "a.nii") == StoredHeader(shape, (2.0, 3.0, 4.0)[: len(shape)])


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("content", [b"", b"text", bytes(2000), b"\x1f\x8b torn"])
def test_no_header(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(content)
    assert read_stored_header(path) is None


def test_no_file(tmp_path: Path) -> None:
    assert read_stored_header(tmp_path / "none.nii") is None
    assert read_stored_header(tmp_path) is None
