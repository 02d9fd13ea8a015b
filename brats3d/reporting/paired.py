"""Two or more models on the same cases: their scores, and the difference case by case."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from brats3d.metrics import Comparison, RegionRow
from brats3d.metrics.comparison import ScoreDifference
from brats3d.metrics.paired_tables import pair_tables
from brats3d.metrics.ranking import TIE, score_difference
from brats3d.reporting.canvas import MANY_POINTS, Drawing, new_figure, styled
from brats3d.reporting.metric_titles import is_share, metric_title
from brats3d.reporting.palette import MODELS, NEITHER
from brats3d.reporting.table import Table
from brats3d.reporting.texts import MINUS, p_value, shortened, signed

KIND = "paired"
_LETTERS = 16
_SCORES_IN, _DIFFERENCES_IN = 2.5, 1.9


@styled
def draw_paired(
    tables: Mapping[str, Sequence[RegionRow]], comparison: Comparison, metric: str = "dice"
) -> Drawing:
    """Draw a metric of the same cases by each model; of two models also the differences.

    Args:
        tables: Model to its table, as compared.
        comparison: What was found, with this metric.
        metric: Its name.
    """
    higher_is_better = comparison.metrics[metric]
    scores = pair_tables(tables, {metric: higher_is_better}, common_only=True)
    regions = np.array([region for _, region in scores.keys])
    has_differences = len(scores.models) == 2
    across = len(scores.regions)
    figure = new_figure(2.4 * across + 0.5, _SCORES_IN + _DIFFERENCES_IN * has_differences + 0.5)
    axes = figure.subplots(
        1 + has_differences,
        across,
        squeeze=False,
        sharey="row",
        gridspec_kw={"height_ratios": [_SCORES_IN, _DIFFERENCES_IN][: 1 + has_differences]},
    )
    for place, region in enumerate(scores.regions):
        values = scores.values[:, regions == region, 0]
        _lines(axes[0, place], values, scores.models, higher_is_better=higher_is_better)
        axes[0, place].set_title(region, loc="left", fontweight="bold")
        if has_differences:
            found = next(
                own for own in comparison.differences if (own.region, own.metric) == (region, metric)
            )
            _differences(axes[1, place], values, found, higher_is_better=higher_is_better)
    title = metric_title(metric)
    axes[0, 0].set_ylabel(title)
    if is_share(metric):
        axes[0, 0].set_ylim(-0.02, 1.02)
    if metric.endswith("_mm"):
        _in_decades(axes)
    if has_differences:
        axes[1, 0].set_ylabel(f"B {MINUS} A")
    rows = [
        [case_id, region, metric, *values]
        for (case_id, region), values in zip(scores.keys, scores.values[:, :, 0].T.tolist(), strict=True)
    ]
    columns = ("case_id", "region", "metric", *scores.models)
    return Drawing(
        f"{KIND}-{metric}",
        f"{title} of the same cases by each model",
        _caption(scores.models, metric),
        figure,
        Table(columns, rows),
    )


def _in_decades(axes: NDArray[np.object_]) -> None:
    """Logarithmic scales beyond 1 mm, so that the penalty of a missed region leaves room for the others."""
    for row in axes:
        row[0].set_yscale("symlog", linthresh=1.0)
        row[0].yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", MINUS))
    axes[0, 0].set_ylim(0, 1.5 * axes[0, 0].get_ylim()[1])


def _caption(models: Sequence[str], metric: str) -> str:
    scale = " Distances are on a logarithmic scale beyond 1 mm." if metric.endswith("_mm") else ""
    above = "A line is a case. "
    if len(models) != 2:
        return above + "Cases with a score that is not finite are left out." + scale
    first, second = models
    return (
        f"Above: a line is a case, blue where {first} (A) is better, orange where {second} (B) is; thick "
        f"marks are medians. Below: the differences B {MINUS} A in order, their mean and its 95 % bootstrap "
        "interval; p of Wilcoxon's signed-rank test, adjusted after Holm. Cases with a score that is not "
        "finite are left out of the drawing." + scale
    )


def _lines(axes: Axes, values: NDArray[np.float64], models: Sequence[str], *, higher_is_better: bool) -> None:
    """Draw scores ``(models, cases)``."""
    finite = values[:, np.isfinite(values).all(axis=0)]
    places = np.arange(len(models))
    lines = [np.stack([places, case], axis=1) for case in finite.T]
    colours = [_colour(case, higher_is_better=higher_is_better) for case in finite.T]
    is_picture = finite.shape[1] > MANY_POINTS
    axes.add_collection(
        LineCollection(
            lines,
            colors=colours,
            linewidths=0.4 if is_picture else 0.8,
            alpha=0.3 if is_picture else 0.75,
            zorder=2,
            rasterized=is_picture,
        )
    )
    for place, own in zip(places, finite, strict=True):
        axes.scatter(
            [place] * len(own),
            own,
            s=5 if is_picture else 16,
            color=MODELS[place % len(MODELS)],
            edgecolor="black",
            linewidth=0.4,
            zorder=3,
            rasterized=is_picture,
        )
        if len(own):
            axes.plot(
                [place - 0.14, place + 0.14], [np.median(own)] * 2, color="black", linewidth=2.0, zorder=4
            )
    letters = [chr(ord("A") + place) for place in places]
    names = [f"{letter}\n{shortened(model, _LETTERS)}" for letter, model in zip(letters, models, strict=True)]
    axes.set_xticks(places, names, fontsize="small")
    axes.set_xlim(-0.4, len(models) - 0.6)
    axes.grid(axis="y", alpha=0.3, linewidth=0.6)


def _colour(scores: NDArray[np.float64], *, higher_is_better: bool) -> str:
    """Colour of the better of two models, grey for equal ones and for more than two."""
    if len(scores) != 2 or abs(scores[1] - scores[0]) <= TIE:
        return NEITHER
    return MODELS[int((scores[1] > scores[0]) == higher_is_better)]


def _differences(
    axes: Axes, values: NDArray[np.float64], found: ScoreDifference, *, higher_is_better: bool
) -> None:
    ordered = np.sort(score_difference(values[0], values[1]))
    ordered = ordered[np.isfinite(ordered)]
    second_better = ordered > 0 if higher_is_better else ordered < 0
    colours = [
        NEITHER if value == 0 else MODELS[int(better)]
        for value, better in zip(ordered.tolist(), second_better.tolist(), strict=True)
    ]
    places = np.arange(1, len(ordered) + 1)
    is_picture = len(ordered) > MANY_POINTS
    width = min(6.0, max(60 / max(len(ordered), 1), 0.3))
    axes.vlines(places, 0, ordered, color=colours, linewidth=width, rasterized=is_picture)
    if not is_picture:
        axes.scatter(places, ordered, s=12, color=colours, edgecolor="black", linewidth=0.3, zorder=3)
    axes.axhline(0, color="black", linewidth=0.8)
    mean = found.difference
    if math.isfinite(mean.mean):
        axes.axhline(mean.mean, color="black", linewidth=1.0, linestyle="--")
    if math.isfinite(mean.ci95_low) and math.isfinite(mean.ci95_high):
        axes.axhspan(mean.ci95_low, mean.ci95_high, color="0.5", alpha=0.2, linewidth=0)
    axes.set_title(f"mean {signed(mean.mean)}, {p_value(found.p_holm)}", loc="left", fontsize="small")
    axes.set_xticks([])
    axes.set_xlim(0.2, max(len(ordered), 1) + 0.8)
    axes.set_xlabel(f"cases, n = {len(ordered)}", fontsize="small")
    axes.spines["bottom"].set_visible(False)
    axes.grid(axis="y", alpha=0.3, linewidth=0.6)
