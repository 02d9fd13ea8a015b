# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Reading and writing NIfTI volumes with nibabel; errors name the file and what to do."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError, SerializableImage
from nibabel.spatialimages import HeaderDataError, SpatialImage
from numpy.typing import NDArray

from scripts.core.errors import DataError
from scripts.core.files import atomic_path
from scripts.core.imaging.geometry import MILLIMETRE, Geometry

_READ_ERRORS = (
    ImageFileError,
    HeaderDataError,
    OSError,
    EOFError,
    zlib.error,
    ValueError,
    OverflowError,  # a negative size in a damaged header
    MemoryError,
)
# Level 1 is as small as level 6 within a few per cent on label maps, and several times faster.
_GZIP_LEVEL = 1


def read_geometry(path: Path, *, allow_plane: bool = False) -> Geometry:
    """Read shape and affine from the header alone; no voxel is read.

    Args:
        path: NIfTI file, 3-D or 4-D.
        allow_plane: Whether a 2-D file is taken as a volume of shape ``(X, Y, 1)``.

    Raises:
        DataError: The file is missing, unreadable or not a volume.
    """
    return _geometry(_open(path), path, allow_plane)


def read_volume(
    path: Path, *, channel: int | None = None, allow_plane: bool = False
) -> tuple[NDArray[np.float32], Geometry]:
    """Read one volume.

    Args:
        path: NIfTI file, 3-D, or 4-D when ``channel`` is given.
        channel: Index along the fourth axis.
        allow_plane: Whether a 2-D file is taken as a volume of shape ``(X, Y, 1)``.

    Returns:
        Voxels, float32 ``(X, Y, Z)`` with the header's scaling applied, and their geometry.

    Raises:
        DataError: The file is missing, torn, not a volume, or has no such channel.
    """
    image = _open(path)
    geometry = _geometry(image, path, allow_plane)
    if len(image.shape) == 4 and image.shape[3] == 1 and channel is None:
        channel = 0
    if (len(image.shape) == 4) != (channel is not None) or (channel or 0) >= image.shape[-1]:
        raise DataError(
            "unexpected number of dimensions or channels",
            where=path,
            got=f"shape {image.shape}",
            expected="a 3-D volume" if channel is None else f"a 4-D volume with channel {channel}",
            remedy="check that the data set has the layout it was read with (data.layout)",
        )
    if image.get_data_dtype().kind not in "biuf":
        raise DataError(
            "the voxels are not plain numbers",
            where=path,
            got=f"voxels of type {image.get_data_dtype()}",
            expected="integers or floating-point numbers",
            remedy="export grey values, not colours or complex numbers",
        )
    try:
        return _voxels(image, path, channel).reshape(geometry.shape), geometry
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error


def write_label_map(path: Path, labels: NDArray[np.uint8], geometry: Geometry, *, overwrite: bool) -> None:
    """Write a label map as uint8 NIfTI, atomically.

    Args:
        path: Output file, ``.nii`` or ``.nii.gz``.
        labels: Label values, uint8 ``(X, Y, Z)``.
        geometry: Grid of the case the labels belong to.
        overwrite: Whether an existing file may be replaced.

    Raises:
        OutputError: The file exists, or the folder cannot be written to.
    """
    _write(path, labels.astype(np.uint8, copy=False), geometry, overwrite=overwrite)


def write_image(path: Path, voxels: NDArray[np.floating], geometry: Geometry, *, overwrite: bool) -> None:
    """Write an image or a probability map ``(X, Y, Z)`` or ``(X, Y, Z, C)`` as float32, atomically.

    Raises:
        OutputError: The file exists, or the folder cannot be written to.
    """
    _write(path, voxels.astype(np.float32, copy=False), geometry, overwrite=overwrite)


def _write(path: Path, voxels: NDArray[np.generic], geometry: Geometry, *, overwrite: bool) -> None:
    assert voxels.shape[:3] == geometry.shape, (voxels.shape, geometry.shape)
    image = nib.Nifti1Image(voxels, geometry.affine)
    image.header.set_xyzt_units("mm" if geometry.unit == MILLIMETRE else "unknown")
    with atomic_path(path, overwrite=overwrite) as temporary:
        if path.name.endswith(".gz"):
            temporary.write_bytes(gzip.compress(image.to_bytes(), _GZIP_LEVEL, mtime=0))
        else:
            temporary.write_bytes(image.to_bytes())


def _open(path: Path) -> SpatialImage:
    if not path.exists():
        raise DataError(
            "file not found", where=path, remedy="check the path, or whether a link points to nothing"
        )
    try:
        image = nib.load(path)
    except _READ_ERRORS as error:
        raise _unreadable(path, error) from error
    if not isinstance(image, SpatialImage):
        raise DataError("not an image volume", where=path, expected="a NIfTI file (.nii, .nii.gz)")
    return image


def _voxels(image: SpatialImage, path: Path, channel: int | None) -> NDArray[np.float32]:
    def selected(source: SpatialImage) -> NDArray[np.float32]:
        voxels = source.dataobj if channel is None else source.dataobj[..., channel]
        return np.asarray(voxels, dtype=np.float32)

    if not (path.name.endswith(".gz") and isinstance(image, SerializableImage)):
        return selected(image)
    # nibabel stops at the last voxel; reading on to the end has the checksum compared.
    with gzip.open(path) as stream:
        found = selected(type(image).from_stream(stream))
        while stream.read(1 << 20):
            pass
    return found


def _geometry(image: SpatialImage, path: Path, allow_plane: bool) -> Geometry:
    affine = image.affine
    shape = (*image.shape, 1) if allow_plane and len(image.shape) == 2 else image.shape
    if len(shape) not in (3, 4) or affine is None or min(shape) < 1:
        raise DataError("not a volume", where=path, got=f"shape {shape}", expected="3 or 4 dimensions")
    x, y, z = shape[:3]
    affine = np.asarray(affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise DataError(
            "the header has no usable geometry",
            where=path,
            got="an affine that is singular or not finite",
            expected="an affine that maps voxels to millimetres",
            remedy="convert the file again from its source",
        )
    return Geometry((int(x), int(y), int(z)), affine)


def _unreadable(path: Path, error: BaseException) -> DataError:
    # The reason's type only: nibabel's messages may quote header text.
    return DataError(
        "cannot read the file",
        where=path,
        got=f"{type(error).__name__} (torn, not NIfTI, or not readable by you)",
        expected="a complete NIfTI file (.nii, .nii.gz)",
        remedy="copy or download the file again; `gzip -t FILE` tests a .gz",
    )
