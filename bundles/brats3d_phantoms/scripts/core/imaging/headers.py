# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""What a NIfTI header says as it is stored, before a reader puts it right."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
from nibabel.openers import ImageOpener

_LONGEST_HEADER = nib.Nifti2Header.sizeof_hdr


@dataclass(frozen=True)
class StoredHeader:
    """Size of the volume as stored; nothing is checked.

    Attributes:
        shape: Voxels along each axis, channels last.
        spacing_mm: Voxel size along each spatial axis. nibabel reads 0 as 1 mm and a negative size as
            its absolute value, which gives distances and volumes that look right and are not.
    """

    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]


def read_stored_header(path: Path) -> StoredHeader | None:
    """Read the header of a NIfTI file (.nii, .nii.gz), or return None where there is none to read."""
    try:
        with ImageOpener(path) as file:
            block = file.read(_LONGEST_HEADER)
    except (OSError, EOFError, ValueError, zlib.error):
        return None
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        if len(block) >= kind.sizeof_hdr and kind.may_contain_header(block):
            header = kind(block[: kind.sizeof_hdr], check=False)
            axes = max(0, min(7, int(header["dim"][0])))
            shape = tuple(int(size) for size in header["dim"][1 : 1 + axes])
            return StoredHeader(shape, tuple(float(size) for size in header["pixdim"][1 : 1 + min(axes, 3)]))
    return None
