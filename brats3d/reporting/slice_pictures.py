"""Slices as drawings within a page: pixels below, outlines as lines and letters above."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from contourpy import LineType, contour_generator
from markupsafe import Markup
from matplotlib import colormaps
from matplotlib.colors import to_hex
from numpy.typing import NDArray
from PIL import Image

from brats3d.reporting.case import ReportedCase
from brats3d.reporting.panels import cut
from brats3d.reporting.views import Plane

COLOUR_MAP = "cividis"
_LETTER_SHARE = 0.055
_MOST_PIXELS = 900


@dataclass(frozen=True, eq=False)
class Outline:
    """Border of a mask.

    Attributes:
        mask: Bool ``(X, Y, Z)``.
        colour: ``#RRGGBB``.
        dashed: Whether the line is broken.
    """

    mask: NDArray[np.bool_]
    colour: str
    dashed: bool = False


def image_pixels(
    case: ReportedCase, image: NDArray[np.float32], limits: tuple[float, float], plane: Plane, index: int
) -> Image.Image:
    """Draw a slice of an image from black to white."""
    dark, bright = limits
    level = np.clip((cut(case, image, plane, index).astype(np.float32) - dark) / (bright - dark), 0, 1)
    return Image.fromarray(np.rint(255 * level).astype(np.uint8))


def error_pixels(picture: Image.Image, masks: Sequence[tuple[str, NDArray[np.generic]]]) -> Image.Image:
    """Lay masks ``(rows, columns)`` over a picture, each in its colour ``#RRGGBB``."""
    shown = picture.convert("RGB")
    for colour, mask in masks:
        shown.paste(colour, mask=Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)))
    return shown.quantize(256, dither=Image.Dither.NONE)


def probability_pixels(
    case: ReportedCase, probabilities: NDArray[np.float32], plane: Plane, index: int
) -> Image.Image:
    """Draw a slice of probabilities in the colours of a scale from 0 to 1."""
    picture = Image.fromarray(np.rint(255 * cut(case, probabilities, plane, index)).astype(np.uint8), "P")
    picture.putpalette(np.rint(255 * colormaps[COLOUR_MAP](np.arange(256))[:, :3]).astype(np.uint8).tobytes())
    return picture


def colour_scale(steps: int = 9) -> list[str]:
    """Colours of probabilities from 0 to 1, ``#RRGGBB``."""
    return [to_hex(colour) for colour in colormaps[COLOUR_MAP](np.linspace(0, 1, steps))]


def drawn_slice(
    case: ReportedCase,
    pixels: Image.Image,
    plane: Plane,
    index: int,
    outlines: Sequence[Outline] = (),
    *,
    text: str,
) -> Markup:
    """Compose a drawing as large as the slice is in millimetres (pixels).

    Args:
        case: Its box is what is drawn.
        pixels: The slice.
        plane: Direction it is looked at from.
        index: Number of the slice.
        outlines: Borders to draw, the first below the others.
        text: What is seen, for those who do not see it.
    """
    width, height = plane.size_mm(case.box, case.spacing_mm)
    lines = Markup("").join(_line(case, outline, plane, index) for outline in outlines)
    letters = _letters(plane, width, height) if case.has_orientation else Markup("")
    return Markup(
        '<svg class="slice" role="img" aria-label="{}" viewBox="0 0 {} {}">'
        '<image href="data:image/png;base64,{}" width="{}" height="{}" preserveAspectRatio="none"/>{}{}</svg>'
    ).format(text, _short(width), _short(height), _png(pixels), _short(width), _short(height), lines, letters)


def _png(pixels: Image.Image) -> str:
    """Text of a PNG file, no larger than a page shows it."""
    largest = max(pixels.size)
    if largest > _MOST_PIXELS:
        width, height = (round(side * _MOST_PIXELS / largest) or 1 for side in pixels.size)
        way = Image.Resampling.NEAREST if pixels.mode == "P" else Image.Resampling.BOX
        pixels = pixels.resize((width, height), way)
    packed = io.BytesIO()
    pixels.save(packed, "PNG", optimize=True)
    return base64.b64encode(packed.getvalue()).decode("ascii")


def _line(case: ReportedCase, outline: Outline, plane: Plane, index: int) -> Markup:
    mask = cut(case, outline.mask, plane, index)
    if not mask.any():
        return Markup("")
    padded = np.pad(mask.astype(np.float32), 1)
    contours: Any = contour_generator(z=padded, line_type=LineType.Separate)
    # The middle of the first pixel, which is the second of the padded ones, lies half a pixel inside.
    size = np.array([case.spacing_mm[plane.across], case.spacing_mm[plane.up]])
    path = "".join(
        "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in (points - 0.5) * size) + "Z"
        for points in contours.lines(0.5)
    )
    style = ' stroke-dasharray="4 3"' if outline.dashed else ""
    return Markup('<path d="{}" stroke="{}"{}/>').format(path, outline.colour, Markup(style))


def _letters(plane: Plane, width: float, height: float) -> Markup:
    size = _LETTER_SHARE * max(width, height)
    left, right, top, bottom = plane.letters
    places = (
        (left, size, height / 2),
        (right, width - size, height / 2),
        (top, width / 2, size),
        (bottom, width / 2, height - size),
    )
    return Markup("").join(
        Markup('<text x="{}" y="{}" font-size="{}">{}</text>').format(
            _short(x), _short(y), _short(size), letter
        )
        for letter, x, y in places
    )


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
