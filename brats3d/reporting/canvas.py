"""Figures without a screen and without global state: the same input gives the same bytes."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from brats3d.files import atomic_path
from brats3d.reporting.index import FigureEntry
from brats3d.reporting.table import Table, write_table

P = ParamSpec("P")
T = TypeVar("T")

DOTS_PER_INCH = 150
MANY_POINTS = 300
"""More points than these are one picture in an SVG file, which grows too large otherwise."""
_STYLE = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "image.interpolation": "none",
    "svg.hashsalt": "brats3d",
    "svg.fonttype": "path",
    "text.parse_math": False,  # names of cases and runs may hold a dollar sign
    "text.usetex": False,
}


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure and the numbers it shows.

    Attributes:
        kind: curves, overview, planes, confusion, dice, ...: what kind of figure it is.
        title: One line.
        caption: What is shown, in sentences.
        figure: The figure.
        table: Its numbers.
        case_id: Case that is shown, or None for a figure of all.
    """

    kind: str
    title: str
    caption: str
    figure: Figure
    table: Table = field(repr=False)
    case_id: str | None = None

    @property
    def name(self) -> str:
        """Name of its files, without an ending."""
        return self.kind if self.case_id is None else f"case-{self.case_id}-{self.kind}"

    def save(self, folder: Path) -> FigureEntry:
        """Write PNG, SVG and CSV, each atomically; files of that name are replaced.

        Raises:
            OutputError: A file cannot be written.
        """
        entry = FigureEntry.named(self.name, self.kind, self.title, self.caption, self.case_id)
        with house_style():
            for form, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
                with atomic_path(folder / entry.files[form]) as temporary:
                    self.figure.savefig(temporary, format=form, dpi=DOTS_PER_INCH, metadata=metadata)
                self.figure.set_layout_engine("none")  # once found, the places stay
        write_table(folder / entry.files["csv"], self.table)
        return entry


def new_figure(width_in: float, height_in: float, *, arranged: bool = True) -> Figure:
    """Make an empty figure.

    Args:
        width_in: Width in inches.
        height_in: Height in inches.
        arranged: Whether matplotlib finds the places of what is in it; else the caller does.
    """
    figure = Figure(
        figsize=(width_in, height_in), dpi=DOTS_PER_INCH, layout="constrained" if arranged else None
    )
    FigureCanvasAgg(figure)
    return figure


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Have a function draw in the style of the house, whatever the user's settings of matplotlib are."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> T:
        with house_style():
            return draw(*args, **kwargs)

    return drawn


@contextlib.contextmanager
def house_style() -> Iterator[None]:
    """Settings of matplotlib while something is drawn or written; the former ones come back."""
    settings: dict[Any, Any] = {
        name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith("backend")
    }
    with matplotlib.rc_context(settings | _STYLE):
        yield
