"""Which lesions were found, missed and invented, and how their size matters."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from brats3d.metrics import LesionRow
from brats3d.metrics.lesions import DROPPED, FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE
from brats3d.reporting.canvas import MANY_POINTS, Drawing, new_figure, styled
from brats3d.reporting.palette import FALSE_NEGATIVE as MISSED_COLOUR
from brats3d.reporting.palette import FALSE_POSITIVE as INVENTED_COLOUR
from brats3d.reporting.palette import TRUE_POSITIVE as FOUND_COLOUR
from brats3d.reporting.table import Table

KIND = "lesions"
COLUMNS = (*("case_id", "region", "lesion", "what", "volume_ref_ml", "volume_pred_ml", "dice", "hd95_mm"),)
KIND_NAMES = {
    TRUE_POSITIVE: "found",
    FALSE_NEGATIVE: "missed",
    FALSE_POSITIVE: "invented",
    DROPPED: "too small to count",
}
_MARKS = {
    TRUE_POSITIVE: (FOUND_COLOUR, "o"),
    FALSE_NEGATIVE: (MISSED_COLOUR, "X"),
    FALSE_POSITIVE: (INVENTED_COLOUR, "^"),
    DROPPED: ("0.8", "."),
}
_LINES = {FALSE_NEGATIVE: -0.14, FALSE_POSITIVE: -0.27}
"""Heights below the axis of Dice where what has no partner stands."""
_COUNTED = (TRUE_POSITIVE, FALSE_NEGATIVE, FALSE_POSITIVE)
_CAPTION = (
    "Above: Dice of each lesion against its volume; missed lesions (at their volume in the reference) and "
    "invented ones (at their predicted volume) stand below. Below: how many there are. Lesions are matched "
    "and left out by the lesion-wise rules of the scores."
)


def lesion_table(lesions: Sequence[LesionRow]) -> Table:
    """Return lesions as a table, in their order."""
    return Table(
        COLUMNS,
        [
            [
                *(row.case_id, row.region, row.lesion, KIND_NAMES[row.kind]),
                *(row.volume_ref_ml, row.volume_pred_ml, row.dice, row.hd95_mm),
            ]
            for row in lesions
        ],
    )


def missed_and_invented(lesions: Sequence[LesionRow]) -> list[LesionRow]:
    """Return the lesions that were missed, then those that were invented, the largest first."""
    wrong = [row for row in lesions if row.kind in _LINES]
    order = list(_LINES)
    return sorted(wrong, key=lambda row: (order.index(row.kind), -_size(row), row.case_id, row.region))


@styled
def draw_lesions(lesions: Sequence[LesionRow]) -> Drawing:
    """Draw the lesions of all cases, a column per region; of pictures, which have no volume, by number.

    Args:
        lesions: One row per lesion, not empty.
    """
    regions = list(dict.fromkeys(row.region for row in lesions))
    figure = new_figure(2.3 * len(regions) + 0.9, 4.1)
    axes = figure.subplots(2, len(regions), squeeze=False, gridspec_kw={"height_ratios": (3.2, 1)})
    for place, region in enumerate(regions):
        own = [row for row in lesions if row.region == region]
        _sizes(axes[0, place], own, is_first=place == 0)
        axes[0, place].set_title(region, loc="left", fontweight="bold")
        _numbers(axes[1, place], own, is_first=place == 0)
    shown = [kind for kind in _MARKS if any(row.kind == kind for row in lesions)]
    marks = [_mark(kind) for kind in shown]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), fontsize="small")
    return Drawing(KIND, "Lesions found, missed and invented", _CAPTION, figure, lesion_table(lesions))


def _mark(kind: str) -> Line2D:
    colour, marker = _MARKS[kind]
    edge = "0.8" if kind == DROPPED else "black"
    return Line2D(
        [], [], linestyle="", marker=marker, color=colour, markeredgecolor=edge, label=KIND_NAMES[kind]
    )


def _size(row: LesionRow) -> float:
    volume = row.volume_pred_ml if row.kind == FALSE_POSITIVE else row.volume_ref_ml
    return 0.0 if math.isnan(volume) else volume


def _sizes(axes: Axes, lesions: Sequence[LesionRow], *, is_first: bool) -> None:
    has_volumes = any(_size(row) > 0 for row in lesions)
    for kind, (colour, marker) in _MARKS.items():
        points = [
            (_size(row) if has_volumes else place, _LINES.get(kind, row.dice))
            for place, row in enumerate(lesions, start=1)
            if row.kind == kind
        ]
        axes.scatter(
            [across for across, _ in points],
            [up for _, up in points],
            s=26 if kind != DROPPED else 12,
            marker=marker,
            color=colour,
            edgecolor="none" if kind == DROPPED else "black",
            linewidth=0.5,
            zorder=1 if kind == DROPPED else 3,
            rasterized=len(points) > MANY_POINTS,
        )
    if has_volumes:
        _in_decades(axes, [_size(row) for row in lesions if _size(row) > 0])
    axes.set_xlabel("volume, ml" if has_volumes else "lesion")
    axes.axhspan(-0.34, -0.06, color="0.95", zorder=0, linewidth=0)
    axes.set_ylim(-0.34, 1.04)
    names = [KIND_NAMES[kind] for kind in _LINES]
    axes.set_yticks([*_LINES.values(), 0, 0.25, 0.5, 0.75, 1], [*names, "0", "0.25", "0.5", "0.75", "1"])
    axes.grid(alpha=0.3, linewidth=0.6)
    axes.set_axisbelow(True)
    if is_first:
        axes.set_ylabel("Dice of the lesion", y=0.62)
    else:
        axes.set_yticklabels([])


def _in_decades(axes: Axes, volumes: Sequence[float]) -> None:
    """Logarithmic axis with at least two numbers on it."""
    axes.set_xscale("log")
    low, high = min(volumes) / 1.4, max(volumes) * 1.4
    steps = (1,) if high / low > 300 else (1, 3) if high / low > 15 else (1, 2, 5)
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.minorticks_off()
    axes.set_xlim(low, high)


def _numbers(axes: Axes, lesions: Sequence[LesionRow], *, is_first: bool) -> None:
    counts = [sum(row.kind == kind for row in lesions) for kind in _COUNTED]
    colours = [_MARKS[kind][0] for kind in _COUNTED]
    places = range(len(_COUNTED))
    axes.barh(places, counts, color=colours, edgecolor="black", linewidth=0.5, height=0.7)
    for place, count in zip(places, counts, strict=True):
        axes.annotate(str(count), (count, place), (3, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(places, [KIND_NAMES[kind] for kind in _COUNTED] if is_first else [])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.25 * max([*counts, 1]))
    axes.locator_params(axis="x", nbins=4, integer=True)
    axes.set_xlabel("lesions")
