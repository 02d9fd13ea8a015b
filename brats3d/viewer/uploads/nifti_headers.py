"""Whether a NIfTI header is plausible; a clean copy with nothing but the numbers of the grid and voxels.

Header of NIfTI-1 and NIfTI-2: https://nifti.nimh.nih.gov/nifti-1, .../nifti-2.
"""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from brats3d.errors import DataError
from brats3d.imaging import Geometry
from brats3d.viewer.uploads.limits import Limits
from brats3d.viewer.uploads.refusals import TooLarge

LONGEST = int(nib.Nifti2Header.sizeof_hdr)
_MOST_BEFORE_VOXELS = 4 << 20
_KINDS = "biuf"
_WIDEST = 8
_SPACING_MM = (1e-4, 1e4)
_KEPT = (
    "pixdim",
    "scl_slope",
    "scl_inter",
    "xyzt_units",
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "qoffset_y",
    "qoffset_z",
    "srow_x",
    "srow_y",
    "srow_z",
)
_REMEDY = "convert the file again from its source"


@dataclass(frozen=True)
class CheckedHeader:
    """What is left of a header that is plausible.

    Attributes:
        clean: Bytes of a header with the same grid, scaling and byte order, and no text; voxels follow.
        voxels_at: Where the voxels begin in the file that was received.
        data_size: Bytes of the voxels.
        dtype: Of the voxels, with their byte order.
        scaling: Slope and intercept.
        geometry: The grid.
        channels: Values per voxel.
    """

    clean: bytes
    voxels_at: int
    data_size: int
    dtype: np.dtype[np.generic]
    scaling: tuple[float, float]
    geometry: Geometry
    channels: int


def is_header(block: bytes) -> bool:
    """Whether bytes begin like a NIfTI file, or one of its forerunner Analyze."""
    return len(block) >= 4 and any(
        int.from_bytes(block[:4], order) in (348, 540) for order in ("little", "big")
    )


def check_header(block: bytes, name: str, limits: Limits) -> CheckedHeader:
    """Check the first bytes of a file.

    Args:
        block: The first :data:`LONGEST` bytes, or fewer where there are no more.
        name: What messages call the file.
        limits: Most voxels and channels.

    Raises:
        DataError: No single-file NIfTI, or numbers that cannot be.
        TooLarge: More voxels or channels than are taken.
    """
    header = _parsed(block, name)
    shape, channels = _shape(header, name, limits)
    dtype = _dtype(header, name)
    voxels_at = _voxels_at(header, name)
    clean = type(header)(endianness=header.endianness, check=False)
    for field in _KEPT:
        clean[field] = header[field]
    clean.set_data_dtype(dtype)
    axes = shape if channels == 1 else (*shape, channels)
    clean["dim"] = [len(axes), *axes, *[1] * (7 - len(axes))]
    if int(header["dim"][0]) == 2 and clean["pixdim"][3] == 0:
        clean["pixdim"][3] = 1
    clean["pixdim"][4:] = 1
    clean["vox_offset"] = clean.single_vox_offset
    clean["magic"] = clean.single_magic
    geometry = _geometry(clean, shape, name)
    return CheckedHeader(
        clean=clean.binaryblock + b"\0" * (int(clean.single_vox_offset) - int(clean.sizeof_hdr)),
        voxels_at=voxels_at,
        data_size=int(np.prod(shape, dtype=object)) * channels * dtype.itemsize,
        dtype=dtype,
        scaling=_scaling(clean, name),
        geometry=geometry,
        channels=channels,
    )


def _parsed(block: bytes, name: str) -> nib.Nifti1Header:
    for kind, magic in ((nib.Nifti1Header, b"n+1"), (nib.Nifti2Header, b"n+2")):
        if len(block) >= kind.sizeof_hdr and kind.may_contain_header(block):
            header = kind(block[: kind.sizeof_hdr], check=False)
            if bytes(header["magic"].item())[:3] == magic:
                return header
            break
    raise DataError(
        "not a NIfTI file in one piece",
        where=name,
        got="a header and voxels in two files, Analyze, or something else",
        expected="one .nii or .nii.gz file",
        remedy="convert it, for example with dcm2niix or nibabel, and drop the result",
    )


def _shape(header: nib.Nifti1Header, name: str, limits: Limits) -> tuple[tuple[int, int, int], int]:
    axes = int(header["dim"][0])
    sizes = [int(size) for size in header["dim"][1 : 1 + max(0, min(axes, 7))]]
    if not 2 <= axes <= 7 or min(sizes) < 1:
        raise _absurd(name, f"{axes} axes of sizes {sizes}", "2 to 7 axes of at least one voxel")
    sizes += [1] * (3 - len(sizes))
    channels = int(np.prod(sizes[3:], dtype=object))
    if int(np.prod(sizes[:3], dtype=object)) > limits.voxels or channels > limits.channels:
        raise TooLarge(
            "the volume is too large",
            where=name,
            got=f"a header that says {' x '.join(map(str, sizes))} voxels",
            expected=f"at most {limits.voxels} voxels in each of {limits.channels} channels",
            remedy="crop or resample it, or check whether its header is damaged",
        )
    return (sizes[0], sizes[1], sizes[2]), channels


def _dtype(header: nib.Nifti1Header, name: str) -> np.dtype[np.generic]:
    try:
        dtype = header.get_data_dtype()
    except (HeaderDataError, KeyError):
        dtype = np.dtype("V")
    if dtype.kind not in _KINDS or not 0 < dtype.itemsize <= _WIDEST:
        raise _absurd(
            name,
            f"voxels of type code {int(header['datatype'])}",
            "integers or floating-point numbers of 8 to 64 bits",
            "export grey values, not colours or complex numbers",
        )
    return dtype


def _voxels_at(header: nib.Nifti1Header, name: str) -> int:
    offset = float(header["vox_offset"])
    first = int(header.single_vox_offset)
    if offset == 0:
        return first
    if not first <= offset <= _MOST_BEFORE_VOXELS or offset != int(offset):
        raise _absurd(
            name, f"voxels that begin at byte {offset:g}", f"{first} to {_MOST_BEFORE_VOXELS}, a whole number"
        )
    return int(offset)


def _geometry(header: nib.Nifti1Header, shape: tuple[int, int, int], name: str) -> Geometry:
    sizes = np.asarray(header["pixdim"][1:4], dtype=np.float64)
    located = int(header["sform_code"]) > 0
    try:
        with np.errstate(all="ignore"):
            affine = np.asarray(header.get_best_affine(), dtype=np.float64)
    except (HeaderDataError, ValueError, ArithmeticError, np.linalg.LinAlgError):
        affine = np.full((4, 4), np.nan)
    if not np.isfinite(sizes).all() or (not located and (sizes <= 0).any()):
        shown = ", ".join(f"{size:g}" for size in sizes)
        raise _absurd(name, f"voxel sizes {shown}", "sizes above 0 in millimetres")
    with np.errstate(all="ignore"):
        spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
        usable = np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3] / spacing)) > 1e-6
    if not usable or spacing.min() < _SPACING_MM[0] or spacing.max() > _SPACING_MM[1]:
        raise _absurd(
            name,
            "an affine that is singular, not finite or of no plausible size",
            "an affine that maps voxels to millimetres",
        )
    return Geometry(shape, affine)


def _scaling(header: nib.Nifti1Header, name: str) -> tuple[float, float]:
    try:
        slope, inter = header.get_slope_inter()
    except HeaderDataError:
        raise _absurd(name, "a scaling of the voxels that is not finite", "finite numbers") from None
    return (1.0 if slope is None else float(slope), 0.0 if inter is None else float(inter))


def _absurd(name: str, got: str, expected: str, remedy: str = _REMEDY) -> DataError:
    return DataError(
        "the header cannot be right",
        where=name,
        got=got,
        expected=expected,
        remedy=remedy,
    )
