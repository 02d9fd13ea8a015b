"""ROC curve of a classifier: tumours found against false alarms, for every threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brats3d.reporting.canvas import Drawing, new_figure, styled
from brats3d.reporting.palette import TRAINING, VALIDATION
from brats3d.reporting.table import Table

KIND = "roc"

Curve = tuple[Sequence[float], Sequence[float]]
"""Sensitivities and specificities, a point per threshold."""


@styled
def draw_roc(curves: Mapping[str, Curve], chosen: Mapping[str, tuple[float, float]]) -> Drawing:
    """Draw curves, and on each the point of the threshold that was chosen.

    Args:
        curves: Name of each, such as ``val``, to its points.
        chosen: Name to sensitivity and specificity at that threshold.
    """
    figure = new_figure(4.2, 4.0)
    axes = figure.subplots()
    axes.plot((0, 1), (0, 1), color="0.6", linewidth=0.8, linestyle=":")
    rows: list[list[object]] = []
    styles = ((VALIDATION, "--", "s"), (TRAINING, "-", "o"))
    for number, (name, (sensitivity, specificity)) in enumerate(curves.items()):
        colour, style, marker = styles[number % len(styles)]
        alarms = [1 - own for own in specificity]
        axes.plot(alarms, sensitivity, style, color=colour, linewidth=1.6, label=name)
        if name in chosen:
            found, kept = chosen[name]
            axes.plot(1 - kept, found, marker, color=colour, markeredgecolor="black", markersize=7, zorder=3)
        rows += [[name, *point] for point in zip(sensitivity, specificity, strict=True)]
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xlabel("1 - specificity: images without tumour that are kept")
    axes.set_ylabel("sensitivity: images with tumour that are kept")
    axes.grid(alpha=0.3, linewidth=0.6)
    axes.legend(loc="lower right")
    caption = "The marks show the threshold that was chosen."
    return Drawing(KIND, "ROC curve", caption, figure, Table(("split", "sensitivity", "specificity"), rows))
