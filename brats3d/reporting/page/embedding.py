"""Figures within the text of a page: drawings as SVG that follows the colours of the page, else PNG."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass

from markupsafe import Markup
from PIL import Image

from brats3d.reporting.index import FigureEntry

_MOST_SVG_BYTES = 250_000
_MOST_PIXELS_ACROSS = 1100
_COLOURS = 256
_BACKGROUND = re.compile(r'(<g id="(?:figure|axes)_\d+">\s*<g id="patch_\d+">\s*<path [^>]*?)fill: #ffffff')
_IDENTIFIER = re.compile(r'(\bid="|url\(#|href="#)')
_PROLOGUE = re.compile(r"^.*?(?=<svg )", re.DOTALL)
_RULES = re.compile(r"<style[^>]*>.*?</style>|<metadata>.*?</metadata>", re.DOTALL)


@dataclass(frozen=True)
class Picture:
    """A figure as a page shows it.

    Attributes:
        entry: Title, caption and files.
        markup: ``<svg>`` or ``<img>``, with a text for those who do not see it.
        themed: Whether lines and letters follow the colours of the page; else it is on white paper.
    """

    entry: FigureEntry
    markup: Markup
    themed: bool


def figure_picture(entry: FigureEntry, *, svg: str, png: bytes, themed: bool) -> Picture:
    """Make a figure part of a page.

    Args:
        entry: What it shows.
        svg: Its drawing as text.
        png: The same as pixels.
        themed: Whether it is a drawing of lines and letters without ground of its own, which then appears
            in the colours of the page; pictures of images stay as they are.
    """
    if themed and len(svg) <= _MOST_SVG_BYTES:
        return Picture(entry, inline_svg(svg, prefix=entry.name, text=entry.title), themed=True)
    return Picture(entry, inline_png(png, text=f"{entry.title}. {entry.caption}"), themed=False)


def inline_svg(svg: str, *, prefix: str, text: str) -> Markup:
    """Turn a drawing of matplotlib into an element of a page.

    Black becomes the colour of the text around, the white ground goes, and names get a prefix, since those
    of all drawings of a page would be the same.
    """
    own = re.sub(r"[^A-Za-z0-9]+", "-", prefix)
    drawing = _RULES.sub("", _PROLOGUE.sub("", svg, count=1))
    drawing = _BACKGROUND.sub(r"\1fill: none", drawing)
    drawing = drawing.replace("stroke: #000000", "stroke: currentColor")
    drawing = _IDENTIFIER.sub(rf"\g<1>{own}-", drawing)
    label = Markup.escape(text)
    return Markup(drawing.replace("<svg ", f'<svg class="drawing" role="img" aria-label="{label}" ', 1))


def inline_png(png: bytes, *, text: str) -> Markup:
    """Turn a picture into an element of a page, of at most 256 colours, no larger than a page shows it."""
    with Image.open(io.BytesIO(png)) as picture:
        shown = picture.convert("RGB")
    if shown.width > _MOST_PIXELS_ACROSS:
        height = round(shown.height * _MOST_PIXELS_ACROSS / shown.width)
        shown = shown.resize((_MOST_PIXELS_ACROSS, height), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    shown.quantize(_COLOURS, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
    data = base64.b64encode(packed.getvalue()).decode()
    return Markup('<img src="data:image/png;base64,{}" width="{}" height="{}" alt="{}">').format(
        data, shown.width, shown.height, text
    )
