"""Storing a picture that was received, as a TIFF of our own: pixels, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from brats3d.errors import DataError
from brats3d.extras import import_extra
from brats3d.imaging.pictures import plane_geometry
from brats3d.viewer.uploads.guesses import role_of_name
from brats3d.viewer.uploads.parsers import strangers_file
from brats3d.viewer.uploads.refusals import TooLarge
from brats3d.viewer.uploads.tally import ValueTally
from brats3d.viewer.uploads.volumes import PICTURE, Volume
from brats3d.viewer.uploads.workplace import Workplace

_FORMATS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
}
_COLOUR_MODES = {"P": "RGB", "PA": "RGB", "RGBA": "RGB", "RGB": "RGB", "LA": "L"}
_GREY_MODES = frozenset({"1", "L", "I", "I;16", "I;16L", "I;16B", "F"})


def picture_format(start: bytes) -> str | None:
    """PNG, TIFF, JPEG or BMP, told from the first bytes; None for anything else."""
    return next((kind for magic, kind in _FORMATS.items() if start.startswith(magic)), None)


def store_picture(source: Path, kind: str, name: str, place: Workplace) -> Volume:
    """Check a picture and store its pixels; ``source`` is left as it is.

    A coloured picture has three channels; one that is stored in colours but has none is grey.

    Args:
        source: The file.
        kind: What :func:`picture_format` says; nothing else is tried.
        name: What messages call it.
        place: Where to.

    Raises:
        DataError: Torn, several pages, or of a colour mode that is not read.
        TooLarge: Too many pixels, or more than the upload may hold.
        MissingExtraError: Pillow is not installed.
    """
    image = import_extra("PIL.Image", "reading pictures", "images")
    with strangers_file(name, kind):
        # Sizes are checked here before a pixel is decoded.
        with image.open(source, formats=(kind,)) as picture:
            _check_size(picture, name, place.limits.pixels)
            picture.verify()  # compares the checksums of PNG, which decoding does not
        with place.readers, image.open(source, formats=(kind,)) as picture:
            pixels = _without_empty_colours(_pixels(picture, name))
    rows, columns = pixels.shape[:2]
    tally = ValueTally(pixels.dtype)
    tally.add_values(pixels)
    with place.writing(name, ".tif") as stored:
        image.fromarray(pixels).save(cast(IO[bytes], stored), format="TIFF")
    return Volume(
        name,
        PICTURE,
        stored.stored(),
        plane_geometry(columns, rows),
        channels=3 if pixels.ndim == 3 else 1,
        values=tally.values if pixels.ndim == 2 else None,
        role=role_of_name(name),
    )


def _check_size(picture: Any, name: str, most: int) -> None:
    columns, rows = picture.size
    if columns < 1 or rows < 1 or columns * rows > most:
        raise TooLarge(
            "the picture is too large",
            where=name,
            got=f"{columns} x {rows} pixels",
            expected=f"at most {most} pixels",
            remedy="crop it or make it smaller",
        )
    if getattr(picture, "n_frames", 1) != 1:
        raise DataError(
            "a picture with several pages",
            where=name,
            got="several pages",
            expected="one page per file",
            remedy="save each page as a file of its own, or convert the volume to NIfTI",
        )


def _pixels(picture: Any, name: str) -> NDArray[np.generic]:
    """Rows and columns, and of coloured pictures red, green and blue."""
    mode = str(picture.mode)
    if mode in _COLOUR_MODES:
        picture = picture if mode == _COLOUR_MODES[mode] else picture.convert(_COLOUR_MODES[mode])
    elif mode not in _GREY_MODES:
        raise DataError(
            "a picture of colours that are not read",
            where=name,
            got="another colour mode",
            expected="grey values, or red, green and blue",
            remedy="convert it to grey values or RGB",
        )
    pixels = np.asarray(picture)
    return pixels if pixels.dtype == bool else pixels.astype(pixels.dtype.newbyteorder("="))


def _without_empty_colours(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    if pixels.ndim == 3 and bool((pixels == pixels[..., :1]).all()):
        return np.ascontiguousarray(pixels[..., 0])
    return pixels
