"""Confusion matrix of the classes, over all voxels of all cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from brats3d.reporting.canvas import Drawing, new_figure, styled
from brats3d.reporting.table import Table

KIND = "confusion"
_COLOUR_MAP = "cividis"
_CELL_IN = 1.0
_COLUMNS = ("reference", "prediction", "voxels", "share_of_reference")


def count_confusion(
    reference: NDArray[np.uint8], prediction: NDArray[np.uint8], classes: int
) -> NDArray[np.int64]:
    """Count voxels by what they are and what they are taken for.

    Args:
        reference: Class indices of any shape.
        prediction: Class indices of the same shape.
        classes: How many there are, with the background.

    Returns:
        Int64 ``(classes, classes)``: the reference leads down, the prediction across.
    """
    pairs = reference.astype(np.int64).ravel() * classes + prediction.ravel()
    return np.bincount(pairs, minlength=classes * classes).astype(np.int64).reshape(classes, classes)


@styled
def draw_confusion(matrix: NDArray[np.int64], names: Sequence[str], cases: int) -> Drawing:
    """Draw a matrix of counts; the colour is the share of a row, what a class is taken for.

    Args:
        matrix: From :func:`count_confusion`, summed over the cases.
        names: Names of the classes.
        cases: How many cases were counted.
    """
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.full(matrix.shape, np.nan), where=totals > 0)
    figure, axes, scale = _square(len(names), max(map(len, names)))
    image = axes.imshow(np.nan_to_num(shares), vmin=0, vmax=1, cmap=_COLOUR_MAP)
    rows: list[list[object]] = []
    for row, reference in enumerate(names):
        for column, prediction in enumerate(names):
            share, voxels = float(shares[row, column]), int(matrix[row, column])
            rows.append([reference, prediction, voxels, share])
            axes.text(
                column,
                row,
                f"{_percent(share)}\n{voxels:,}",
                ha="center",
                va="center",
                fontsize="small",
                color="black" if share > 0.55 else "white",
            )
    places = range(len(names))
    axes.set_xticks(places, names)
    axes.set_yticks(places, names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("prediction")
    axes.set_ylabel("reference")
    axes.set_title(f"Voxels of {cases} {'case' if cases == 1 else 'cases'} by class")
    figure.colorbar(image, cax=scale, label="share of the reference class")
    caption = "Voxels of whole volumes, with the background; percentages are shares of the row."
    return Drawing(KIND, "Confusion matrix of the classes", caption, figure, Table(_COLUMNS, rows))


def _square(classes: int, letters: int) -> tuple[Figure, Axes, Axes]:
    """Empty figure with room for a matrix of so many classes, with names of so many letters, and a scale."""
    side = _CELL_IN * classes
    left, bottom = 0.45 + 0.085 * letters, 0.55
    width, height = left + side + 0.9, bottom + side + 0.35
    figure = new_figure(width, height, arranged=False)
    axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
    scale = figure.add_axes(((left + side + 0.12) / width, bottom / height, 0.15 / width, side / height))
    return figure, axes, scale


def _percent(share: float) -> str:
    return "no voxel" if np.isnan(share) else f"{100 * share:.1f} %"
