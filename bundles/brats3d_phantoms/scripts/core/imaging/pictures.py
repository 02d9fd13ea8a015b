# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""One picture (TIFF, PNG, JPEG, BMP) as a volume of one slice, read with Pillow.

Columns are the first axis and rows the second; the picture stands as it is seen: columns run to the
patient's left and rows to the back, as in ITK. Pixel sizes in such files are those of a printer or a
screen and are ignored, so that the unit of length is the pixel.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.core.errors import DataError
from scripts.core.extras import import_extra
from scripts.core.files import atomic_path
from scripts.core.imaging.geometry import PIXEL, Geometry

SUFFIXES = frozenset({".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp"})

_READ_ERRORS = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
)
_CHANNELS_OF_MODE = {
    "1": 1,
    "L": 1,
    "LA": 1,
    "I": 1,
    "I;16": 1,
    "I;16B": 1,
    "F": 1,
    "RGB": 3,
    "RGBA": 3,
    "P": 3,
}


def plane_geometry(columns: int, rows: int, slices: int = 1) -> Geometry:
    """Grid of pictures whose pixel size nobody knows."""
    return Geometry((columns, rows, slices), np.diag([-1.0, -1.0, 1.0, 1.0]), PIXEL)


def picture_size(path: Path) -> tuple[int, int]:
    """Read the number of columns and rows; no pixel is read.

    Raises:
        DataError: The file is missing or no picture.
    """
    with _opened(path) as picture:
        return int(picture.size[0]), int(picture.size[1])


def read_picture(path: Path, channel: int | None = None) -> NDArray[np.float32]:
    """Read one picture.

    An alpha channel is ignored, and a palette is looked up. A picture of two colours (one bit per pixel)
    has the values 0 and 1.

    Args:
        path: The file.
        channel: 0 red, 1 green, 2 blue; None for a grey picture, which may be stored as RGB with equal
            channels.

    Returns:
        Float32 ``(columns, rows)``, values as they are stored.

    Raises:
        DataError: The file is missing, torn, has several pages, is coloured where grey is expected, or has
            no such channel.
    """
    with _opened(path, checked=True) as picture:
        if getattr(picture, "n_frames", 1) != 1:
            raise DataError(
                "a picture with several pages",
                where=path,
                got=f"{picture.n_frames} pages",
                expected="one page per file",
                remedy="save each page as a file of its own",
            )
        mode = str(picture.mode)
        channels = _CHANNELS_OF_MODE.get(mode)
        if channels is None or (channel is not None and channels == 1) or (channel or 0) >= (channels or 1):
            raise DataError(
                "a picture with unexpected channels",
                where=path,
                got=f"colour mode {mode}",
                expected="grey values" if channel is None else f"RGB, of which channel {channel} is read",
                remedy="convert it, or check that the data set has the layout it was read with (data.layout)",
            )
        pixels = np.asarray(picture.convert("RGB") if mode == "P" else picture)
    if pixels.ndim == 2:
        return pixels.T.astype(np.float32)
    if channel is not None:
        return pixels[..., channel].T.astype(np.float32)
    return _grey(pixels[..., :channels], path).T.astype(np.float32)


def write_mask_picture(path: Path, mask: NDArray[np.bool_], *, overwrite: bool) -> None:
    """Write a mask ``(columns, rows)`` as a grey PNG of 0 and 255, atomically.

    Raises:
        OutputError: The file exists, or the folder cannot be written to.
    """
    image = import_extra("PIL.Image", "writing pictures", "images")
    pixels = np.ascontiguousarray(mask.T).astype(np.uint8) * np.uint8(255)
    with atomic_path(path, overwrite=overwrite) as temporary:
        image.fromarray(pixels).save(temporary, format="PNG")


def _grey(pixels: NDArray[np.generic], path: Path) -> NDArray[np.generic]:
    first = pixels[..., 0]
    coloured = int((pixels != first[..., None]).any(axis=-1).sum())
    if coloured:
        raise DataError(
            "a coloured picture where a grey one is expected",
            where=path,
            got=f"{coloured} of {first.size} pixels with a colour",
            expected="grey values, or red, green and blue that are the same",
            remedy="export the picture without colours and annotations",
        )
    return first


@contextmanager
def _opened(path: Path, *, checked: bool = False) -> Iterator[Any]:
    image = import_extra("PIL.Image", "reading pictures", "images")
    if not path.exists():
        raise DataError(
            "file not found", where=path, remedy="check the path, or whether a link points to nothing"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", image.DecompressionBombWarning)
            if checked:
                with image.open(path) as picture:
                    picture.verify()  # compares the checksums of PNG, which decoding does not
            with image.open(path) as picture:
                yield picture
    except DataError:
        raise
    except (*_READ_ERRORS, image.DecompressionBombError) as error:
        raise DataError(
            "cannot read the picture",
            where=path,
            got=f"{type(error).__name__} (torn, no picture, or of a kind that Pillow does not read)",
            expected="a complete TIFF, PNG, JPEG or BMP file",
            remedy="copy or download the file again, or convert it",
        ) from error
