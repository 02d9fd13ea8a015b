"""Groups of scores side by side: points, quartiles, and what does not fit on an axis, counted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from brats3d.metrics import Statistics, describe
from brats3d.reporting.canvas import MANY_POINTS
from brats3d.reporting.metric_titles import is_count, is_share
from brats3d.reporting.swarm import spread

_FEWEST_FOR_BOX = 5
_HALF_WIDTH = 0.32
_CROWD = 60
_FAR = 1.5
"""Scores that a rule sets are beyond the axis where they exceed all others by this factor."""


@dataclass(frozen=True)
class Strip:
    """One group.

    Attributes:
        name: Stands below it.
        scores: Values, and whether a rule for empty masks set them.
    """

    name: str
    scores: Sequence[tuple[float, bool]]


def draw_strips(
    axes: Axes, metric: str, strips: Sequence[Strip], colours: Mapping[str, str], *, small: bool = False
) -> None:
    """Draw groups of one metric.

    Args:
        axes: Where to.
        metric: Decides the scale.
        strips: The groups.
        colours: Group to ``#RRGGBB``.
        small: Whether the panel is one of many.
    """
    low, high, beyond = _scale(metric, [score for strip in strips for score in strip.scores])
    axes.grid(axis="y", alpha=0.3, linewidth=0.6)
    axes.set_axisbelow(True)
    for place, strip in enumerate(strips):
        shown = [score for score in strip.scores if low <= score[0] <= high]
        above = [score for score in strip.scores if score[0] > high]
        _box(axes, place, describe([value for value, _ in strip.scores]), low, high)
        crowded = 1.0 if len(shown) <= _CROWD else 2.5 if len(shown) <= MANY_POINTS else 7.0
        colour, size = colours[strip.name], (9.0 if small else 22.0) / crowded
        offsets = spread([value for value, _ in shown], low, high, _HALF_WIDTH)
        _points(axes, place + offsets, shown, colour, "o", size)
        offsets = spread([0.0] * len(above), 0, 1, _HALF_WIDTH)
        _points(axes, place + offsets, [(beyond, by_rule) for _, by_rule in above], colour, "^", size)
    font = "x-small" if small else "medium"
    axes.set_xticks(range(len(strips)), [_label(strip) for strip in strips], fontsize=font)
    axes.tick_params(axis="y", labelsize=font)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, len(strips) - 0.4)
    margin = 0.03 * (high - low)
    axes.set_ylim(low - margin, beyond + margin)
    outliers = {value for strip in strips for value, _ in strip.scores if value > high}
    if outliers:
        text = ", ".join("∞" if math.isinf(value) else f"{value:.4g}" for value in sorted(outliers)[:2])
        text += ", …" if len(outliers) > 2 else ""
        axes.annotate(
            text,
            (len(strips) - 0.45, beyond),
            (0, 5),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize="xx-small" if small else "x-small",
            annotation_clip=False,
        )
    if is_share(metric):
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"] if small else None)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4 if small else 6, integer=is_count(metric)))


def _points(
    axes: Axes,
    across: NDArray[np.float64],
    scores: Sequence[tuple[float, bool]],
    colour: str,
    marker: str,
    size: float,
) -> None:
    axes.scatter(
        across,
        [value for value, _ in scores],
        s=size,
        marker=marker,
        color=["white" if by_rule else colour for _, by_rule in scores],
        edgecolor="black",
        linewidth=0.5 if len(scores) <= MANY_POINTS else 0.2,
        zorder=3,
        clip_on=False,
        rasterized=len(scores) > MANY_POINTS,
    )


def _scale(metric: str, scores: Sequence[tuple[float, bool]]) -> tuple[float, float, float]:
    """Ends of the axis, and the height of what lies beyond the upper one."""
    if is_share(metric):
        return 0.0, 1.0, 1.0
    finite = [score for score in scores if math.isfinite(score[0])]
    measured = [value for value, by_rule in finite if not by_rule] or [value for value, _ in finite]
    low, high = (min(measured), max(measured)) if measured else (0.0, 1.0)
    set_by_rule = [value for value, by_rule in finite if by_rule]
    if set_by_rule:
        low = min(low, *set_by_rule)
        high = max([high, *(value for value in set_by_rule if value <= _FAR * high)])
    if is_count(metric):
        low, high = 0.0, max(high, 1.0)
    if low >= 0 and low < 0.5 * high:
        low = 0.0
    if high - low < 1e-9:
        low, high = low - 0.5 * (low > 0), high + 0.5
    has_beyond = any(value > high for value, _ in scores)
    return low, high, high + 0.12 * (high - low) * has_beyond


def _box(axes: Axes, place: int, found: Statistics, low: float, high: float) -> None:
    """Draw the middle half and the median, as far as they are on the axis."""
    if found.n < _FEWEST_FOR_BOX or not low <= found.median <= high:
        return
    bottom, top = max(found.q25, low), min(found.q75, high)
    box = Rectangle(
        (place - _HALF_WIDTH - 0.06, bottom),
        2 * _HALF_WIDTH + 0.12,
        top - bottom,
        facecolor="0.93",
        edgecolor="0.5",
        linewidth=0.8,
    )
    axes.add_patch(box)
    reach = _HALF_WIDTH + 0.06
    axes.plot([place - reach, place + reach], [found.median] * 2, color="black", linewidth=1.4, zorder=4)


def _label(strip: Strip) -> str:
    values = [value for value, _ in strip.scores]
    infinite = sum(math.isinf(value) for value in values)
    undefined = sum(math.isnan(value) for value in values)
    lines = [strip.name, f"n = {len(values) - undefined}"]
    lines += [f"{infinite} infinite"] if infinite else []
    lines += [f"{undefined} undefined"] if undefined else []
    return "\n".join(lines)
