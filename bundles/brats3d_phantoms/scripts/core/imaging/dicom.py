# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""One DICOM series, a folder of slices, as a volume.

Of the headers only numbers about the grid are used. Nothing else of them is kept, and messages quote
none of their text: it names patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.core.errors import DataError
from scripts.core.imaging.dicom_headers import SliceHeader, read_header, read_pixels
from scripts.core.imaging.geometry import Geometry

_SAME_DIRECTION = 1e-3
# Positions are written with a few digits: steps that differ less are the same.
_UNEVEN_SHARE = 0.05
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def slice_files(folder: Path) -> list[Path]:
    """Files of the series, hidden ones and the index ``DICOMDIR`` left out.

    Raises:
        DataError: There are none.
    """
    files = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.name[0] != "." and path.name != "DICOMDIR"
    )
    if not files:
        raise DataError("a folder without files", where=folder, expected="the slices of one DICOM series")
    return files


def read_geometry(folder: Path) -> Geometry:
    """Read the grid; no pixel is read.

    Raises:
        DataError: The files are not the slices of one series on one grid.
    """
    return grid_of(_sorted_slices(folder), folder)


def read_volume(folder: Path) -> tuple[NDArray[np.float32], Geometry]:
    """Read the volume.

    Returns:
        Float32 ``(columns, rows, slices)`` with the rescaling of the headers applied, slices in the order of
        their positions, and the geometry, turned from LPS to RAS.

    Raises:
        DataError: The files are not the slices of one series on one grid, or cannot be decoded.
    """
    slices = _sorted_slices(folder)
    geometry = grid_of(slices, folder)
    voxels = np.empty(geometry.shape, dtype=np.float32)
    for index, one in enumerate(slices):
        voxels[..., index] = read_pixels(one).T
    return voxels, geometry


def _sorted_slices(folder: Path) -> list[SliceHeader]:
    return sorted_slices([read_header(path) for path in slice_files(folder)], folder)


def sorted_slices(slices: Sequence[SliceHeader], folder: Path) -> list[SliceHeader]:
    """Sort the slices of a series by position; no file is read.

    Args:
        slices: At least one.
        folder: What messages call the series.

    Raises:
        DataError: They are not of one series with one orientation and pixel size.
    """
    first = slices[0]
    series = {one.series for one in slices}
    if len(series) > 1:
        raise DataError(
            "slices of several series in one folder",
            where=folder,
            got=f"{len(series)} series in {len(slices)} files",
            expected="one series in each folder",
            remedy="sort the files into one folder per series",
        )
    spacing = np.isclose([one.spacing_mm for one in slices], first.spacing_mm, rtol=1e-4)
    directions = np.isclose([one.directions for one in slices], first.directions, atol=_SAME_DIRECTION)
    for one, same_spacing, same_directions in zip(slices, spacing, directions, strict=True):
        if one.size != first.size or not same_spacing.all():
            raise _other_grid(one, "pixels of another number or size than in the first slice")
        if not same_directions.all():
            raise _other_grid(one, "another orientation than the first slice")
    places = np.stack([one.position_mm for one in slices]) @ first.normal
    return [slices[index] for index in np.argsort(places, kind="stable")]


def _other_grid(one: SliceHeader, got: str) -> DataError:
    return DataError(
        "the slices of a series do not lie on one grid",
        where=one.path,
        got=got,
        expected="slices of one size and orientation",
        remedy="leave localisers and reformatted images out, or export the series again",
    )


def grid_of(slices: Sequence[SliceHeader], folder: Path) -> Geometry:
    """Grid of sorted slices; no file is read.

    Raises:
        DataError: Slices are missing, twice there, or shifted.
    """
    first = slices[0]
    affine = np.eye(4)
    affine[:3, 0] = first.directions[0] * first.spacing_mm[1]
    affine[:3, 1] = first.directions[1] * first.spacing_mm[0]
    affine[:3, 2] = _step(slices, folder)
    affine[:3, 3] = first.position_mm
    return Geometry((*first.size, len(slices)), _LPS_TO_RAS @ affine)


def _step(slices: Sequence[SliceHeader], folder: Path) -> NDArray[np.float64]:
    """Way from one slice to the next in millimetres."""
    first = slices[0]
    if len(slices) == 1:
        if first.thickness_mm is None:
            raise DataError(
                "a single slice that does not say how thick it is",
                where=first.path,
                expected="SpacingBetweenSlices or SliceThickness, or more slices",
                remedy="export the whole series",
            )
        return first.normal * first.thickness_mm
    positions = np.stack([one.position_mm for one in slices])
    steps = np.diff(positions @ first.normal)
    usual = float(np.median(steps))
    if steps.min() <= _UNEVEN_SHARE * max(usual, 1e-3):
        place = int(steps.argmin())
        raise DataError(
            "two slices at the same place",
            where=folder,
            got=f"{slices[place].path.name} and {slices[place + 1].path.name}",
            expected="each place once: one echo, phase or time point",
            remedy="sort the files into one folder per volume",
        )
    widest = int(steps.argmax())
    if steps[widest] - steps.min() > _UNEVEN_SHARE * usual:
        raise DataError(
            "slices are missing, or not evenly spaced",
            where=folder,
            got=f"{steps[widest]:.4g} mm from {slices[widest].path.name} to {slices[widest + 1].path.name}",
            expected=f"{steps.min():.4g} mm, as between other slices",
            remedy="copy the missing files, or export the series again",
        )
    step = (positions[-1] - positions[0]) / (len(slices) - 1)
    straight = positions[0] + np.arange(len(slices))[:, None] * step
    if np.abs(positions - straight).max() > _UNEVEN_SHARE * usual:
        raise DataError(
            "the slices are shifted against each other",
            where=folder,
            expected="slices in a straight row",
            remedy="export the series again, or resample it",
        )
    return np.asarray(step, dtype=np.float64)
