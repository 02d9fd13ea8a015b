"""A case at a glance: modalities, reference, probability maps, prediction, in the slice with most tumour."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from brats3d.reporting.blending import grey, window, with_classes, with_errors
from brats3d.reporting.canvas import Drawing, new_figure, styled
from brats3d.reporting.case import LabelledCase
from brats3d.reporting.palette import FALSE_NEGATIVE, FALSE_POSITIVE, tissue_colours
from brats3d.reporting.panels import CONVENTION_NOTE, cut, legend, show
from brats3d.reporting.region_counts import COLUMNS, region_counts
from brats3d.reporting.table import Table
from brats3d.reporting.views import Plane

KIND = "overview"
_PANEL_IN = 1.9
_COLOUR_MAP = "cividis"
_CAPTION = "The slice with most tumour. "


@styled
def draw_overview(case: LabelledCase) -> Drawing:
    """Draw a case; above the modalities and the reference, below the probabilities, errors and prediction."""
    plane, index = case.largest_slice()
    across = max(len(case.images) + 1, len(case.convention.regions) + 2)
    width_mm, height_mm = plane.size_mm(case.box, case.spacing_mm)
    figure = new_figure(_PANEL_IN * across, 2 * (_PANEL_IN * height_mm / width_mm + 0.25) + 0.8)
    axes = figure.subplots(3, across, squeeze=False, gridspec_kw={"height_ratios": (1, 1, 0.04)})
    for empty in axes.flat:
        empty.set_axis_off()
    place = case.place(plane, index)
    figure.suptitle(f"{case.case_id}{place and ', '}{place}", fontsize="large")

    pictures = {
        name: grey(cut(case, image, plane, index), window(image, case.brain))
        for name, image in case.images.items()
    }
    for panel, (name, picture) in zip(axes[0], pictures.items(), strict=False):
        show(panel, picture, case, plane, name)
    colours = tissue_colours(case.convention.class_names[1:])
    background = pictures[case.image("flair")[0]]
    for panel, classes, title in (
        (axes[0, -1], case.reference, "reference"),
        (axes[1, -1], case.prediction, "prediction"),
    ):
        picture = with_classes(background, cut(case, classes, plane, index), list(colours.values()))
        show(panel, picture, case, plane, title)
    wanted, found = (cut(case, classes > 0, plane, index) for classes in (case.reference, case.prediction))
    show(
        axes[1, -2],
        with_errors(background, wanted, found),
        case,
        plane,
        "errors, all tissues" if len(colours) > 1 else "errors",
    )
    if case.probabilities is not None:
        regions = len(case.convention.regions)
        _probabilities(list(axes[1, :regions]), case, case.probabilities, plane, index)
        grid = axes[2, 0].get_subplotspec().get_gridspec()
        scale = figure.add_subplot(grid[2, :regions])
        figure.colorbar(axes[1, 0].images[0], cax=scale, orientation="horizontal")
        scale.tick_params(labelsize="x-small")
        scale.set_xlabel("probability", fontsize="small", labelpad=1)
    legend(figure, {**colours, "false positive": FALSE_POSITIVE, "false negative": FALSE_NEGATIVE})
    note = f" {CONVENTION_NOTE}" if case.has_orientation else ""
    return Drawing(
        KIND,
        f"{case.case_id}: images, reference, probabilities and prediction",
        f"{_CAPTION if place else ''}Errors are those of all tissues taken together.{note}",
        figure,
        Table(COLUMNS, region_counts(case, plane, index)),
        case.case_id,
    )


def _probabilities(
    drawn: list[Axes], case: LabelledCase, probabilities: NDArray[np.float32], plane: Plane, index: int
) -> None:
    names = case.convention.region_names
    for panel, name, volume in zip(drawn, names, probabilities, strict=True):
        picture = np.asarray(cut(case, volume, plane, index), dtype=np.float32)
        show(panel, picture, case, plane, f"P({name})")
        panel.images[0].set(cmap=_COLOUR_MAP, clim=(0, 1))
