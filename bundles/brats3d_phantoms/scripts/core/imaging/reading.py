# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Reading volumes; what a path names decides which reader takes it.

A NIfTI file (also any other that nibabel reads), a picture or a pattern of several
(:mod:`~brats3d.imaging.picture_patterns`), a field of a MATLAB file (:mod:`~brats3d.imaging.matlab`), or a
folder with one DICOM series (:mod:`~brats3d.imaging.dicom`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.core.errors import DataError
from scripts.core.imaging import dicom, nifti
from scripts.core.imaging.geometry import Geometry
from scripts.core.imaging.matlab import is_field, matlab_file, read_field_geometry, read_field_volume
from scripts.core.imaging.picture_patterns import (
    SLICE,
    is_pattern,
    pictures_of,
    read_pattern,
    read_pattern_geometry,
)
from scripts.core.imaging.pictures import SUFFIXES


def is_picture(path: Path) -> bool:
    """Whether a path names a picture, or several by a pattern."""
    return path.suffix.lower() in SUFFIXES or is_pattern(path)


def is_single_plane(path: Path) -> bool:
    """Whether a path names an image of two axes (of formats other than NIfTI, whose headers tell)."""
    return is_field(path) or (is_picture(path) and SLICE not in path.name)


def volume_name(path: Path) -> str:
    """Name of a volume after its file or folder; endings of pictures and MATLAB files are left out."""
    if is_field(path):
        return matlab_file(path).stem
    if is_pattern(path):
        return path.parent.name
    return path.stem if is_picture(path) else path.name


def files_of(path: Path) -> list[Path]:
    """Files that a volume is read from.

    Raises:
        DataError: A pattern or folder without files.
    """
    if is_picture(path):
        return pictures_of(path)
    if is_field(path):
        return [matlab_file(path)]
    return dicom.slice_files(path) if path.is_dir() else [path]


def read_geometry(path: Path, *, allow_plane: bool = False) -> Geometry:
    """Read shape and affine; of NIfTI, pictures and DICOM no voxel is read.

    Args:
        path: What names the volume; NIfTI may be 3-D or 4-D.
        allow_plane: Whether a NIfTI file of two axes is taken as a volume of shape ``(X, Y, 1)``; pictures
            always are.

    Raises:
        DataError: A file is missing, unreadable or not a volume.
    """
    if is_picture(path):
        return read_pattern_geometry(path)
    if is_field(path):
        return read_field_geometry(path)
    return dicom.read_geometry(path) if path.is_dir() else nifti.read_geometry(path, allow_plane=allow_plane)


def read_volume(
    path: Path, *, channel: int | None = None, allow_plane: bool = False
) -> tuple[NDArray[np.float32], Geometry]:
    """Read one volume.

    Args:
        path: What names the volume.
        channel: Index along the fourth axis of NIfTI, or the colour channel of pictures.
        allow_plane: Whether a NIfTI file of two axes is taken as a volume of shape ``(X, Y, 1)``; pictures
            always are.

    Returns:
        Voxels, float32 ``(X, Y, Z)`` with the file's scaling applied, and their geometry.

    Raises:
        DataError: A file is missing, torn, not a volume, or has no such channel.
        MissingExtraError: The package that reads the format is not installed.
    """
    if is_picture(path):
        return read_pattern(path, channel)
    if not (is_field(path) or path.is_dir()):
        return nifti.read_volume(path, channel=channel, allow_plane=allow_plane)
    if channel is not None:
        raise DataError(
            "no channels here",
            where=path,
            got=f"channel {channel}",
            expected="a volume with one value per voxel",
        )
    return read_field_volume(path) if is_field(path) else dicom.read_volume(path)
