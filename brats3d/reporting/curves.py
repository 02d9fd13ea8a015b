"""Curves of a training: loss, Dice, IoU, accuracy and learning rate over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import MaxNLocator

from brats3d.errors import DataError
from brats3d.reporting.canvas import Drawing, new_figure, styled
from brats3d.reporting.palette import BLACK, TRAINING, VALIDATION, region_colours
from brats3d.reporting.training_log import TrainingLog

KIND = "curves"
_REGION = "val/dice_"
_MAX_ACROSS = 3
_MARKED_UP_TO = 60
_EDGE = [Stroke(linewidth=2.2, foreground="0.35"), Normal()]  # pale colours are hard to see on white
_MARKERS = ("o", "s", "^", "D")


@dataclass(frozen=True)
class _Curve:
    column: str
    name: str
    colour: str
    style: str = "-"
    marker: str = "o"
    is_edged: bool = False


@dataclass(frozen=True)
class _Panel:
    title: str
    curves: tuple[_Curve, ...]
    is_share: bool = False


def _panels(regions: Sequence[str]) -> list[_Panel]:
    train, val = ("training", TRAINING, "-"), ("validation", VALIDATION, "--")
    colours = region_colours(regions)
    by_region = tuple(
        _Curve(_REGION + name, name, colours[name], marker=marker, is_edged=True)
        for name, marker in zip(regions, _MARKERS * len(regions), strict=False)
    )
    return [
        _Panel("Loss", (_Curve("train/loss_epoch", *train), _Curve("val/loss", *val))),
        _Panel("Dice, mean of regions", (_Curve("train/dice", *train), _Curve("val/dice", *val)), True),
        _Panel("Dice in validation", by_region, True),
        _Panel("IoU, mean of regions", (_Curve("train/iou", *train), _Curve("val/iou", *val)), True),
        _Panel("Accuracy", (_Curve("train/accuracy", *train), _Curve("val/accuracy", *val))),
        _Panel("ROC AUC", (_Curve("val/auc", *val),), True),
        _Panel("Learning rate", (_Curve("train/lr", "training", BLACK),)),
    ]


@styled
def draw_curves(log: TrainingLog, title: str = "Training") -> Drawing:
    """Draw the curves that a training logged; panels without any are left out.

    Args:
        log: Values per epoch.
        title: Stands over the figure, such as the name of the run.

    Raises:
        DataError: There is no curve that this figure knows.
    """
    regions = [name.removeprefix(_REGION) for name in log.values if name.startswith(_REGION)]
    panels = [
        _Panel(panel.title, present, panel.is_share)
        for panel in _panels(regions)
        if (present := tuple(curve for curve in panel.curves if _has_points(log, curve)))
    ]
    if not panels:
        raise DataError(
            "the training logged no curve", got=", ".join(log.values), expected="train/loss_epoch"
        )
    across = 2 if len(panels) == 4 else min(len(panels), _MAX_ACROSS)
    down = -(-len(panels) // max(across, 1))
    figure = _figure(across, down)
    figure.suptitle(title, fontsize="large", y=1 - 0.1 / figure.get_figheight(), va="top")
    for place, panel in enumerate(panels, start=1):
        _draw(figure.add_subplot(down, across, place), panel, log)
    columns = [curve.column for panel in panels for curve in panel.curves]
    return Drawing(
        KIND,
        "Training and validation by epoch",
        "Means over the patches of each epoch in training, and over whole cases (a classifier: images) in "
        "validation.",
        figure,
        log.table(columns),
    )


def _figure(across: int, down: int) -> Figure:
    """Empty figure with fixed room around each panel: to look for it takes longer than all the rest."""
    width, height = 3.1 * across, 2.4 * down + 0.35
    gap_across, gap_down = 0.6, 0.7
    figure = new_figure(width, height, arranged=False)
    left, right, bottom, top = 0.55, width - 0.1, 0.45, height - 0.65
    figure.subplots_adjust(
        left / width,
        bottom / height,
        right / width,
        top / height,
        wspace=gap_across * across / (right - left - gap_across * (across - 1)),
        hspace=gap_down * down / (top - bottom - gap_down * (down - 1)),
    )
    return figure


def _has_points(log: TrainingLog, curve: _Curve) -> bool:
    return curve.column in log.values and bool(log.points(curve.column)[0])


def _draw(axes: Axes, panel: _Panel, log: TrainingLog) -> None:
    for curve in panel.curves:
        epochs, values = log.points(curve.column)
        axes.plot(
            epochs,
            values,
            curve.style,
            color=curve.colour,
            marker=curve.marker if len(epochs) <= _MARKED_UP_TO else "",
            markersize=3.5,
            linewidth=1.4,
            label=curve.name,
            path_effects=_EDGE if curve.is_edged else None,
        )
    axes.set_title(panel.title)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    margin = 0.03 * (log.epochs[-1] - log.epochs[0]) or 0.5
    axes.set_xlim(log.epochs[0] - margin, log.epochs[-1] + margin)
    axes.grid(alpha=0.3, linewidth=0.6)
    if panel.is_share:
        axes.set_ylim(-0.02, 1.02)
    else:
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 4))
    axes.legend(fontsize="small")
