"""DICOM slices that were received: numbers about the grid stay in memory, pixels go to the disk, no text.

A series is made a volume when it is needed, since nobody can know which slice is the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brats3d.errors import DataError
from brats3d.imaging.dicom import grid_of, sorted_slices
from brats3d.imaging.dicom_headers import (
    SliceHeader,
    is_deflated,
    read_descriptions,
    read_header,
    read_pixels,
)
from brats3d.viewer.uploads import names
from brats3d.viewer.uploads.display import header_of
from brats3d.viewer.uploads.guesses import guess_role
from brats3d.viewer.uploads.parsers import strangers_file
from brats3d.viewer.uploads.refusals import TooLarge, mebibytes
from brats3d.viewer.uploads.workplace import Stored, Workplace

_KIND = "DICOM"
_VOXEL = np.dtype("<f4")
# Beside the pixels a slice has a header, of a few kilobytes as a rule.
_LARGEST_HEADER = 16 << 20
_WIDEST = 8


@dataclass(frozen=True)
class Slice:
    """One slice.

    Attributes:
        name: What its file is called on the page.
        header: Where it lies; the path in it is ``name``.
        stored: Its pixels, float32 ``(rows, columns)``.
        role: What names or the series' description say the series is.
    """

    name: str
    header: SliceHeader
    stored: Stored
    role: str | None


def is_dicom(start: bytes) -> bool:
    """Whether a file begins as DICOM files do."""
    return start[128:132] == b"DICM"


def store_slice(source: Path, name: str, place: Workplace) -> Slice | None:
    """Check a slice and store its pixels; ``source`` is left as it is.

    Returns:
        The slice, or None for a file below a folder that is no slice of a volume: exports have reports,
        localisers of several frames and the like beside the images.

    Raises:
        DataError: No slice, or one that cannot be decoded.
        TooLarge: Too many pixels, or more than the upload may hold.
        MissingExtraError: pydicom is not installed.
    """
    with strangers_file(name, _KIND):
        _check_packing(source, name)
        try:
            header = read_header(source)
        except DataError:
            if names.folder(name):
                return None
            raise
        columns, rows = header.size
        _check_size(columns * rows, source.stat().st_size, name, place.limits.pixels)
        descriptions = read_descriptions(source)
        with place.readers:
            pixels = read_pixels(header)
    if pixels.shape != (rows, columns):
        raise DataError("not one slice of grey values", where=name, remedy="leave the file out")
    with place.writing(name, ".pixels") as stored:
        stored.write(np.ascontiguousarray(pixels, dtype=_VOXEL).tobytes())
    role = guess_role((names.folder(name).rpartition("/")[2], names.stem(name), *descriptions))
    return Slice(name, replace(header, path=Path(name)), stored.stored(), role)


def _check_size(pixels: int, size: int, name: str, most_pixels: int) -> None:
    if not 0 < pixels <= most_pixels:
        raise TooLarge(
            "the slice is too large",
            where=name,
            got=f"{pixels} pixels",
            expected=f"1 to {most_pixels} pixels",
            remedy="leave it out",
        )
    if size > _WIDEST * pixels + _LARGEST_HEADER:
        raise TooLarge(
            "the DICOM file is too large for one slice",
            where=name,
            got=mebibytes(size),
            expected=f"at most {mebibytes(_WIDEST * pixels + _LARGEST_HEADER)} for {pixels} pixels",
            remedy="leave it out",
        )


def _check_packing(source: Path, name: str) -> None:
    if is_deflated(source):
        raise DataError(
            "a deflated DICOM file",
            where=name,
            got="the transfer syntax Deflated Explicit VR Little Endian",
            expected="a file that is not compressed as a whole",
            remedy="export the series without compression",
        )


def assemble(slices: Sequence[Slice], name: str, place: Workplace) -> Stored:
    """Make one NIfTI file (float32) of the slices of a series; one slice at a time is in memory.

    Raises:
        DataError: They do not make up a volume.
        TooLarge: Too many voxels, or more than the upload may hold.
    """
    by_name = {one.header.path: one for one in slices}
    ordered = sorted_slices([one.header for one in slices], Path(name))
    geometry = grid_of(ordered, Path(name))
    if int(np.prod(geometry.shape, dtype=object)) > place.limits.voxels:
        raise TooLarge(
            "the series is too large",
            where=name,
            got=f"{' x '.join(map(str, geometry.shape))} voxels",
            expected=f"at most {place.limits.voxels}",
            remedy="leave slices out, or resample it",
        )
    with place.writing(name, ".nii") as stored:
        stored.write(header_of(geometry, _VOXEL))
        for header in ordered:
            # Rows of pixels lie one after another as NIfTI has them: the columns count first.
            stored.write(by_name[header.path].stored.path.read_bytes())
    return stored.stored()
