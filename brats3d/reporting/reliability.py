"""Reliability diagram: how often what has a probability is so."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from brats3d.metrics import Calibration
from brats3d.metrics.calibration import BINS
from brats3d.reporting.canvas import Drawing, new_figure, styled
from brats3d.reporting.palette import region_colours
from brats3d.reporting.table import Table

KIND = "calibration"
_PANEL_IN = 2.4
_COLUMNS = (
    *("region", "bin_low", "bin_high", "voxels", "reference_voxels", "mean_probability", "frequency"),
    *("ece", "ece_beyond_lowest_bin", "brier"),
)
_CAPTION = (
    "Voxels of the brain of all cases, in bins of predicted probability: above, the share of them that are "
    "in the reference, against their mean probability (on the line: well calibrated; below it: "
    "overconfident); below, how many they are. ECE: expected calibration error, over all voxels and "
    "without the lowest bin, which is mostly healthy brain; Brier: mean squared error."
)


@styled
def draw_calibration(calibrations: Mapping[str, Calibration]) -> Drawing:
    """Draw the calibration of each region.

    Args:
        calibrations: Region to its counts, not empty.
    """
    colours = region_colours(list(calibrations))
    across = len(calibrations)
    figure = new_figure(_PANEL_IN * across + 0.4, 3.6)
    axes = figure.subplots(
        2, across, squeeze=False, sharex=True, sharey="row", gridspec_kw={"height_ratios": (2.4, 1)}
    )
    rows: list[list[object]] = []
    for place, (region, own) in enumerate(calibrations.items()):
        _diagram(axes[0, place], region, own, colours[region])
        _histogram(axes[1, place], own, colours[region])
        rows += _rows(region, own)
    axes[0, 0].set_ylabel("share in the reference")
    axes[1, 0].set_ylabel("voxels")
    return Drawing(KIND, "Calibration of the probabilities", _CAPTION, figure, Table(_COLUMNS, rows))


def _diagram(axes: Axes, region: str, own: Calibration, colour: str) -> None:
    axes.plot([0, 1], [0, 1], color="0.55", linewidth=0.9)
    known = np.array(own.voxels) > 0
    probability, frequency = own.mean_probability[known], own.frequency[known]
    axes.plot(probability, frequency, color="0.25", linewidth=1.0, zorder=2)
    axes.scatter(
        probability, frequency, s=20, color=colour, edgecolor="black", linewidth=0.5, zorder=3, clip_on=False
    )
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_title(region, loc="left", fontweight="bold")
    axes.text(
        0.04,
        0.97,
        f"ECE {own.ece:.4f}\nwithout lowest bin {own.ece_beyond_lowest:.3f}\nBrier {own.brier:.4f}",
        transform=axes.transAxes,
        va="top",
        fontsize="small",
        bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1.5},
    )
    axes.grid(alpha=0.3, linewidth=0.6)


def _histogram(axes: Axes, own: Calibration, colour: str) -> None:
    axes.bar(
        np.arange(BINS) / BINS,
        own.voxels,
        width=1 / BINS,
        align="edge",
        color=colour,
        edgecolor="black",
        linewidth=0.4,
    )
    if any(own.voxels):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(_power)
        axes.minorticks_off()
        axes.set_ylim(bottom=0.7)
    axes.set_xlabel("predicted probability")


def _power(value: float, _: float | None = None) -> str:
    """Thousands and millions, in few letters."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {letter}"
    return f"{value:g}"


def _rows(region: str, own: Calibration) -> list[list[object]]:
    means, shares = own.mean_probability.tolist(), own.frequency.tolist()
    totals = (own.ece, own.ece_beyond_lowest, own.brier)
    return [
        [
            *(region, place / BINS, (place + 1) / BINS, own.voxels[place], own.positives[place]),
            *(means[place], shares[place], *totals),
        ]
        for place in range(BINS)
    ]
