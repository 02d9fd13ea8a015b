"""What pages are put together from: tables, facts, tiles and blocks, as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from brats3d.reporting.index import FigureEntry
from brats3d.reporting.page.embedding import Picture

Fact = tuple[str, str]
"""What it is, and its value."""


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: What it says.
        below: A second, smaller line.
        sort: What rows are sorted by, where that is not the text.
        colour: Colour of a square before the text, ``#RRGGBB``.
    """

    text: str
    below: str = ""
    sort: float | None = None
    colour: str = ""

    @classmethod
    def sorted_by(cls, value: float, text: str) -> Cell:
        """A number in words, which rows are sorted by; NaN comes last."""
        return cls(text, sort=None if math.isnan(value) else value)


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        title: Heading.
        kind: number (to the right), text (to the left) or long (to the left, in several lines).
    """

    title: str
    kind: str = "number"


@dataclass(frozen=True)
class PageTable:
    """A table; the first cell of a row is its heading.

    Attributes:
        caption: What it shows.
        columns: Headings.
        rows: As many cells as columns each.
        marked: Numbers of rows that stand out as bad.
        sortable: Whether readers may sort it.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    marked: frozenset[int] = frozenset()
    sortable: bool = False


@dataclass(frozen=True)
class Tile:
    """A number worth seeing first.

    Attributes:
        name: What it is.
        value: The number.
        range: How sure it is.
        colour: Colour of its edge, ``#RRGGBB``.
    """

    name: str
    value: str
    range: str = ""
    colour: str = ""


@dataclass(frozen=True)
class Failures:
    """What went wrong, which a page shows first.

    Attributes:
        table: One row per failure, the worst first; None where nothing failed.
        summary: One sentence.
        more: How many rows the table leaves out.
    """

    table: PageTable | None
    summary: str
    more: int = 0


@dataclass(frozen=True)
class Part:
    """A section of a page.

    Attributes:
        id: Place that links lead to.
        name: Heading.
        text: Sentences, a paragraph each.
        facts: What there is to know in a line each.
        tables: Tables that are seen.
        pictures: Figures.
        details: Heading to what is unfolded on request: tables, terms or preformatted text.
        parts: Sections below it.
        commands: What each does, and the command.
        starts_page: Whether it begins a page in print.
    """

    id: str
    name: str
    text: Sequence[str] = ()
    facts: Sequence[Fact] = ()
    tables: Sequence[PageTable] = ()
    pictures: Sequence[Picture] = ()
    details: Sequence[Details] = ()
    parts: Sequence[Part] = ()
    commands: Sequence[Fact] = ()
    starts_page: bool = False

    def all_pictures(self) -> list[Picture]:
        """Figures of the section and of those below it."""
        return [*self.pictures, *(picture for part in self.parts for picture in part.all_pictures())]


@dataclass(frozen=True)
class Details:
    """What is folded away.

    Attributes:
        name: What is there.
        tables: Tables.
        terms: Words and their definitions.
        text: Preformatted text.
    """

    name: str
    tables: Sequence[PageTable] = ()
    terms: Sequence[Fact] = ()
    text: str = ""


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        title: Heading.
        subtitle: What the page is about, in a line.
        parts: Sections.
        tiles: Numbers worth seeing first.
        failures: Shown before everything else; None where nothing could fail.
    """

    title: str
    subtitle: str
    parts: Sequence[Part]
    tiles: Sequence[Tile] = ()
    failures: Failures | None = None

    @property
    def sections(self) -> list[tuple[str, str]]:
        """Place and name of each section, for the navigation."""
        first = [("failures", "Failures")] if self.failures is not None else []
        return [*first, *((part.id, part.name) for part in self.parts)]

    @property
    def figures(self) -> list[FigureEntry]:
        """What the page shows, in its order."""
        return [picture.entry for part in self.parts for picture in part.all_pictures()]
