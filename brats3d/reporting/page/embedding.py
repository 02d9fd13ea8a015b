"""Figures within the text of a page: drawings as SVG in the colours of the page, pictures as PNG or JPEG."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from PIL import Image

from brats3d.reporting.canvas import DOTS_PER_INCH, Drawing
from brats3d.reporting.index import FigureEntry

_MOST_SVG_BYTES = 700_000
_MOST_PNG_BYTES = 150_000
_MOST_DOTS_ACROSS = 1200
_JPEG_QUALITY = 90
_PIXELS_PER_INCH = 96  # of a page
_ON_PAPER = ("confusion", "wins")  # letters upon colours
_BACKGROUND = re.compile(r'(<g id="(?:figure|axes)_\d+">\s*<g id="patch_\d+">\s*<path [^>]*?)fill: #ffffff')
_GREY = re.compile(r"\b(fill|stroke): #([0-9a-f]{2})\2\2")
_PALE, _DARK = 0xD0, 0x40
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


def place(drawing: Drawing, folder: Path) -> Picture:
    """Write the files of a drawing, and make it part of a page.

    A drawing of lines and letters appears in the colours of the page; pictures of cases and cells of a matrix
    stay as they are.

    Raises:
        OutputError: A file cannot be written.
    """
    entry = drawing.save(folder)
    svg = (folder / entry.files["svg"]).read_text(encoding="utf-8")
    if drawing.case_id is None and not drawing.kind.startswith(_ON_PAPER) and len(svg) <= _MOST_SVG_BYTES:
        return Picture(entry, inline_svg(svg, prefix=entry.name, text=entry.title), themed=True)
    png = (folder / entry.files["png"]).read_bytes()
    dots = 1.0 if drawing.case_id is not None else DOTS_PER_INCH / _PIXELS_PER_INCH
    text = f"{entry.title}. {entry.caption}"
    return Picture(entry, inline_picture(png, text=text, dots_per_pixel=dots), themed=False)


def inline_svg(svg: str, *, prefix: str, text: str) -> Markup:
    """Turn a drawing of matplotlib into an element of a page.

    Black, white and pale greys become colours of the page, the ground goes, and names get a prefix, since
    those of all drawings of a page would be the same.
    """
    own = re.sub(r"[^A-Za-z0-9]+", "-", prefix)
    drawing = _RULES.sub("", _PROLOGUE.sub("", svg, count=1))
    drawing = _BACKGROUND.sub(r"\1fill: none", drawing)
    drawing = _GREY.sub(_grey_of_page, drawing)
    drawing = _IDENTIFIER.sub(rf"\g<1>{own}-", drawing)
    label = Markup.escape(text)
    return Markup(drawing.replace("<svg ", f'<svg class="drawing" role="img" aria-label="{label}" ', 1))


def _grey_of_page(found: re.Match[str]) -> str:
    """Colour of the page for a grey of a drawing; middle greys can be seen on any."""
    level = int(found[2], 16)
    if level == 0xFF:
        colour = "var(--paper)"
    elif level >= _PALE:
        colour = "var(--shade)"
    elif level <= _DARK:
        colour = "currentColor"
    else:
        return found[0]
    return f"{found[1]}: {colour}"


def inline_picture(png: bytes, *, text: str, dots_per_pixel: float = 1.0) -> Markup:
    """Turn a picture into an element of a page, no larger than a page shows it.

    Args:
        png: The picture.
        text: What it shows.
        dots_per_pixel: Its dots for each pixel of the page.
    """
    with Image.open(io.BytesIO(png)) as picture:
        shown = picture.convert("RGB")
    if shown.width > _MOST_DOTS_ACROSS:
        height = round(shown.height * _MOST_DOTS_ACROSS / shown.width)
        shown = shown.resize((_MOST_DOTS_ACROSS, height), Image.Resampling.LANCZOS)
    kind, data = _packed(shown)
    return Markup('<img src="data:image/{};base64,{}" width="{}" height="{}" alt="{}">').format(
        kind,
        base64.b64encode(data).decode(),
        round(shown.width / dots_per_pixel),
        round(shown.height / dots_per_pixel),
        text,
    )


def _packed(picture: Image.Image) -> tuple[str, bytes]:
    """PNG, or JPEG without loss of resolution in the colours where that is much smaller."""
    png, jpeg = io.BytesIO(), io.BytesIO()
    picture.save(png, "PNG", optimize=True)
    if png.tell() <= _MOST_PNG_BYTES:
        return "png", png.getvalue()
    picture.save(jpeg, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return "jpeg", jpeg.getvalue()
