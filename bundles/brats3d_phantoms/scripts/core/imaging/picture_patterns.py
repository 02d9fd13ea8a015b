# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Volumes that several pictures make up, named by one path with braces.

``P/P_{slice}.tif``: numbered slices, stacked in the order of their numbers.
``{left,right}Mask/A.png``: masks of parts; the pixels of the first have the value 1, those of the second 2.
A path without braces is one picture.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.core.errors import DataError
from scripts.core.imaging.geometry import Geometry
from scripts.core.imaging.pictures import picture_size, plane_geometry, read_picture

SLICE = "{slice}"
_CHOICES = re.compile(r"\{([^{},/]+(?:,[^{},/]+)+)\}")


def is_pattern(path: Path) -> bool:
    """Whether a path names several pictures."""
    return SLICE in path.name or _CHOICES.search(str(path)) is not None


def pictures_of(path: Path) -> list[Path]:
    """Files of the volume.

    Raises:
        DataError: No slice, two with one number, or a number that is left out.
    """
    return [picture for part in _parts(path) for picture in _slices(part)]


def read_pattern_geometry(path: Path) -> Geometry:
    """Read the grid; no pixel is read.

    Raises:
        DataError: A file is missing or no picture, sizes differ, or numbers are left out.
    """
    first, *others = _parts(path)
    geometry = _stack_geometry(first)
    for part in others:
        difference = geometry.difference(_stack_geometry(part))
        if difference is not None:
            raise DataError(
                "masks of the parts of one picture differ in size",
                where=part,
                got=difference,
                expected=f"the size of {first}",
                remedy="replace the mask, or leave the case out",
            )
    return geometry


def read_pattern(path: Path, channel: int | None = None) -> tuple[NDArray[np.float32], Geometry]:
    """Read the volume.

    Args:
        path: Pattern, or one picture.
        channel: 0 red, 1 green, 2 blue; None for grey pictures.

    Returns:
        Float32 ``(columns, rows, slices)``, and its grid. A pixel that several parts claim belongs to the
        first of them.

    Raises:
        DataError: See :func:`read_pattern_geometry` and :func:`~brats3d.imaging.pictures.read_picture`.
    """
    geometry = read_pattern_geometry(path)
    parts = [_stack(part, geometry, channel) for part in _parts(path)]
    if len(parts) == 1:
        return parts[0], geometry
    voxels = np.zeros(geometry.shape, dtype=np.float32)
    for value, part in reversed(list(enumerate(parts, start=1))):
        voxels[part != 0] = value
    return voxels, geometry


def _stack(path: Path, geometry: Geometry, channel: int | None) -> NDArray[np.float32]:
    voxels = np.empty(geometry.shape, dtype=np.float32)
    for index, picture in enumerate(_slices(path)):
        voxels[..., index] = read_picture(picture, channel)
    return voxels


def _stack_geometry(path: Path) -> Geometry:
    pictures = _slices(path)
    size = picture_size(pictures[0])
    for picture in pictures[1:]:
        found = picture_size(picture)
        if found != size:
            raise DataError(
                "the slices of a volume differ in size",
                where=picture,
                got=f"{found[0]} x {found[1]} pixels",
                expected=f"{size[0]} x {size[1]} pixels, as {pictures[0].name} has",
                remedy="replace the slice, or leave the case out",
            )
    return plane_geometry(*size, slices=len(pictures))


def _parts(path: Path) -> list[Path]:
    match = _CHOICES.search(str(path))
    if match is None:
        return [path]
    text = str(path)
    return [Path(text[: match.start()] + choice + text[match.end() :]) for choice in match[1].split(",")]


def _slices(path: Path) -> list[Path]:
    if SLICE not in path.name:
        return [path]
    names = re.compile(r"(\d+)".join(re.escape(piece) for piece in path.name.split(SLICE)))
    try:
        present = sorted(file.name for file in path.parent.iterdir())
    except OSError:
        present = []
    numbered: dict[int, str] = {}
    for name in present:
        match = names.fullmatch(name)
        if match is None:
            continue
        number = int(match[1])
        if number in numbered:
            raise DataError(
                "two slices with the same number",
                where=path.parent,
                got=f"{numbered[number]} and {name}",
                expected="each number once",
                remedy="remove one of them",
            )
        numbered[number] = name
    if not numbered:
        raise DataError(
            "there are no slices",
            where=path,
            expected="files with a number at that place",
            remedy="check the path",
        )
    first, last = min(numbered), max(numbered)
    gaps = sorted(set(range(first, last)) - set(numbered))
    if gaps:
        raise DataError(
            "slices are missing",
            where=path,
            got=f"{len(numbered)} slices from {first} to {last}, without {', '.join(map(str, gaps[:5]))}",
            expected="numbers without a gap",
            remedy="copy the missing files, or leave the case out",
        )
    return [path.parent / numbered[number] for number in sorted(numbered)]
