"""One picture of a slice with what belongs around it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from brats3d.reporting.blending import Picture
from brats3d.reporting.case import ReportedCase
from brats3d.reporting.palette import FALSE_NEGATIVE, FALSE_POSITIVE, OTHER_TISSUE
from brats3d.reporting.views import Plane

CONVENTION_NOTE = (
    "Radiological convention: R is the patient's right. Slices count to the right, to the front and upwards."
)


def cut(case: ReportedCase, volume: NDArray[np.generic], plane: Plane, index: int) -> NDArray[np.generic]:
    """Cut a slice of the part worth showing out of a volume ``(X, Y, Z)``: ``(rows, columns)``."""
    start = case.box[plane.axis].start
    return plane.picture(volume[case.box], index - start)


def show(axes: Axes, picture: Picture, case: ReportedCase, plane: Plane, title: str = "") -> None:
    """Draw a picture with the right proportions and the letters of the patient's sides."""
    axes.imshow(picture, aspect=plane.pixel_aspect(case.spacing_mm))
    axes.set_axis_off()
    if title:
        axes.set_title(title, pad=3)
    if case.has_orientation:
        _letters(axes, plane)


def name_row(axes: Axes, name: str) -> None:
    """Write a name on the left of a picture."""
    axes.text(-0.03, 0.5, name, transform=axes.transAxes, rotation="vertical", ha="right", va="center")


def disagreement_colours(tissues: Collection[str]) -> dict[str, str]:
    """What the colours of a disagreement mean; of one tissue none can be taken for another."""
    colours = {"false positive": FALSE_POSITIVE, "false negative": FALSE_NEGATIVE}
    return {**colours, "other tissue": OTHER_TISSUE} if len(tissues) > 1 else colours


def legend(figure: Figure, colours: Mapping[str, str]) -> None:
    """Say below the figure what the colours mean."""
    patches = [Patch(facecolor=colour, edgecolor="0.4", label=name) for name, colour in colours.items()]
    figure.legend(
        handles=patches, loc="outside lower center", ncols=len(patches), fontsize="small", columnspacing=1.2
    )


def _letters(axes: Axes, plane: Plane) -> None:
    left, right, top, bottom = plane.letters
    places = {(0.02, 0.5): left, (0.98, 0.5): right, (0.5, 0.98): top, (0.5, 0.02): bottom}
    for (across, up), letter in places.items():
        axes.text(
            across,
            up,
            letter,
            transform=axes.transAxes,
            color="white",
            fontsize="x-small",
            ha={0.02: "left", 0.98: "right"}.get(across, "center"),
            va={0.02: "bottom", 0.98: "top"}.get(up, "center"),
            bbox={"facecolor": "black", "alpha": 0.5, "linewidth": 0, "pad": 1.0},
        )
