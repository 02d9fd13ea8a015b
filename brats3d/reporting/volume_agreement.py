"""Predicted against reference volumes: scatter, and differences after Bland and Altman."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from brats3d.metrics import BlandAltman, RegionRow, bland_altman
from brats3d.metrics.bland_altman import Estimate
from brats3d.metrics.empty_policy import PREDICTION_MISSING
from brats3d.reporting.canvas import MANY_POINTS, Drawing, new_figure, styled
from brats3d.reporting.palette import region_colours
from brats3d.reporting.table import Table
from brats3d.reporting.texts import MINUS, signed

KIND = "volumes"
_ROW_IN = 2.35
_MOST_NAMED = 3
_CAPTION = (
    "Left: the line is that of equal volumes. Right: difference against the mean of both volumes (Bland and "
    "Altman); the solid line is the mean difference, dashed lines are the limits of agreement (1.96 standard "
    "deviations), bands their 95 % intervals."
)


@dataclass(frozen=True)
class _Pair:
    case_id: str
    reference: float
    predicted: float

    @property
    def difference(self) -> float:
        return self.predicted - self.reference

    @property
    def mean(self) -> float:
        return (self.predicted + self.reference) / 2


@styled
def draw_volumes(rows: Sequence[RegionRow]) -> Drawing:
    """Draw volumes, a row per region; cases without a prediction are left out, pictures count pixels.

    Args:
        rows: Scores per case and region, not empty.
    """
    regions = list(dict.fromkeys(row.region for row in rows))
    colours = region_colours(regions)
    unit = "pixels" if all(math.isnan(row["volume_ref_ml"]) for row in rows) else "ml"
    figure = new_figure(7.2, _ROW_IN * len(regions))
    axes = figure.subplots(len(regions), 2, squeeze=False, gridspec_kw={"width_ratios": (1, 1.75)})
    lines: list[list[object]] = []
    for (scatter, differences), region in zip(axes, regions, strict=True):
        pairs = [_pair(row, unit) for row in rows if row.region == region and row.empty != PREDICTION_MISSING]
        found = bland_altman([pair.reference for pair in pairs], [pair.predicted for pair in pairs])
        _scatter(scatter, pairs, colours[region], region, unit)
        _differences(differences, pairs, found, colours[region], unit)
        lines += [
            [region, "case", pair.case_id, pair.reference, pair.predicted, pair.difference, None, None]
            for pair in pairs
        ]
        estimates = {"mean difference": found.bias, "lower limit": found.lower, "upper limit": found.upper}
        lines += [[region, name, None, None, None, *estimate] for name, estimate in estimates.items()]
    measured = [f"{name}_{unit}" for name in ("reference", "predicted", "difference")]
    columns = ("region", "what", "case_id", *measured, "ci95_low", "ci95_high")
    missing = len({row.case_id for row in rows if row.empty == PREDICTION_MISSING})
    note = f" Left out: {missing} without a prediction." if missing else ""
    return Drawing(KIND, "Predicted and reference volumes", _CAPTION + note, figure, Table(columns, lines))


def _pair(row: RegionRow, unit: str) -> _Pair:
    if unit == "ml":
        return _Pair(row.case_id, row["volume_ref_ml"], row["volume_pred_ml"])
    return _Pair(row.case_id, row.counts.referenced, row.counts.predicted)


def _points(axes: Axes, across: Sequence[float], up: Sequence[float], colour: str) -> None:
    axes.scatter(
        across,
        up,
        s=5 if len(across) > MANY_POINTS else 18,
        color=colour,
        edgecolor="black",
        linewidth=0.2 if len(across) > MANY_POINTS else 0.5,
        zorder=3,
        clip_on=False,
        rasterized=len(across) > MANY_POINTS,
    )


def _scatter(axes: Axes, pairs: Sequence[_Pair], colour: str, region: str, unit: str) -> None:
    end = (
        1.06 * max([value for pair in pairs for value in (pair.reference, pair.predicted)], default=0) or 1.0
    )
    axes.plot([0, end], [0, end], color="0.4", linewidth=0.9, zorder=4 if len(pairs) > MANY_POINTS else 2)
    _points(axes, [pair.reference for pair in pairs], [pair.predicted for pair in pairs], colour)
    axes.set(xlim=(0, end), ylim=(0, end), aspect="equal")
    axes.set_xlabel(f"reference, {unit}")
    axes.set_ylabel(f"predicted, {unit}")
    axes.set_title(f"{region}, n = {len(pairs)}", loc="left", fontweight="bold")
    axes.locator_params(nbins=4)


def _differences(axes: Axes, pairs: Sequence[_Pair], found: BlandAltman, colour: str, unit: str) -> None:
    axes.axhline(0, color="0.75", linewidth=0.8)
    for name, estimate, style in (
        ("mean", found.bias, "-"),
        (f"{MINUS}1.96 SD", found.lower, "--"),
        ("+1.96 SD", found.upper, "--"),
    ):
        _level(axes, name, estimate, style)
    _points(axes, [pair.mean for pair in pairs], [pair.difference for pair in pairs], colour)
    widest = max((pair.mean for pair in pairs), default=0.0)
    named = pairs if len(pairs) <= MANY_POINTS else ()
    outside = [pair for pair in named if not _within(pair.difference, found)]
    for pair in sorted(outside, key=lambda pair: -abs(pair.difference))[:_MOST_NAMED]:
        axes.annotate(
            pair.case_id,
            (pair.mean, pair.difference),
            xytext=(4, 4) if pair.mean < widest / 2 else (-4, 4),
            textcoords="offset points",
            fontsize="x-small",
            ha="left" if pair.mean < widest / 2 else "right",
        )
    axes.set_ylim(*_height(pairs, found))
    axes.set_xlim(0, 1.06 * widest or 1.0)
    axes.set_xlabel(f"mean of both, {unit}")
    axes.set_ylabel(f"predicted {MINUS} reference, {unit}")
    axes.locator_params(axis="y", nbins=6)


def _within(difference: float, found: BlandAltman) -> bool:
    low, high = found.lower[0], found.upper[0]
    return math.isnan(low) or low <= difference <= high


def _level(axes: Axes, name: str, estimate: Estimate, style: str) -> None:
    value, low, high = estimate
    if math.isnan(value):
        return
    if not math.isnan(low):
        axes.axhspan(low, high, color="0.5", alpha=0.15, linewidth=0)
    axes.axhline(value, color="black", linewidth=1.1, linestyle=style, zorder=4)
    axes.annotate(
        f"{name}\n{signed(value)}",
        (1.01, value),
        xycoords=axes.get_yaxis_transform(),
        fontsize="x-small",
        va="center",
        annotation_clip=False,
    )


def _height(pairs: Sequence[_Pair], found: BlandAltman) -> tuple[float, float]:
    """Ends of the axis: all points and limits; their intervals as far as that does not dwarf the rest."""
    shown = [0.0, *(pair.difference for pair in pairs)]
    shown += [
        estimate[0] for estimate in (found.bias, found.lower, found.upper) if not math.isnan(estimate[0])
    ]
    low, high = min(shown), max(shown)
    room = 0.5 * (high - low)
    ends = [end for end in (found.lower[1], found.upper[2]) if not math.isnan(end)]
    low, high = max(min([low, *ends]), low - room), min(max([high, *ends]), high + room)
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin
