"""Three planes through the tumour core: image, outlines and tissues, errors."""

from __future__ import annotations

from matplotlib.axes import Axes

from brats3d.reporting.blending import Picture, grey, window, with_classes, with_errors
from brats3d.reporting.canvas import Drawing, new_figure, styled
from brats3d.reporting.case import LabelledCase
from brats3d.reporting.palette import FALSE_NEGATIVE, FALSE_POSITIVE, tissue_colours
from brats3d.reporting.panels import CONVENTION_NOTE, cut, legend, name_row, outline, show
from brats3d.reporting.region_counts import COLUMNS, region_counts
from brats3d.reporting.table import Table
from brats3d.reporting.views import Plane, planes_of

KIND = "planes"
_ROW_IN = 2.3
_OUTLINE = "white"


@styled
def draw_planes(case: LabelledCase) -> Drawing:
    """Draw a case; a row per plane, all through the voxel in the middle of the core."""
    name, centre = case.centre()
    planes = planes_of(case.reference.shape)
    sizes = [plane.size_mm(case.box, case.spacing_mm) for plane in planes]
    widest = max(width for width, _ in sizes)
    heights = [height / widest for _, height in sizes]
    figure = new_figure(3 * _ROW_IN + 0.5, _ROW_IN * sum(heights) + 0.1 * len(planes) + 0.9)
    axes = figure.subplots(len(planes), 3, squeeze=False, gridspec_kw={"height_ratios": heights})
    title = case.case_id if len(planes) == 1 else f"{case.case_id}, through the middle of {name}"
    figure.suptitle(title, fontsize="large")
    modality, image = case.image("t1ce", "flair")
    limits = window(image, case.brain)
    colours = tissue_colours(case.convention.class_names[1:])
    for column, title in zip(axes[0], (modality, "prediction", f"errors of {case.core}"), strict=True):
        column.set_title(title, pad=3)
    rows: list[list[object]] = []
    for line, plane in zip(axes, planes, strict=True):
        index = centre[plane.axis]
        picture = grey(cut(case, image, plane, index), limits)
        show(line[0], picture, case, plane)
        name_row(line[0], case.place(plane, index))
        _tissues(line[1], picture, case, plane, list(colours.values()))
        _errors(line[2], picture, case, plane)
        rows += region_counts(case, plane, index)
    legend(
        figure,
        {
            **colours,
            f"reference {case.core} (outline)": _OUTLINE,
            "false positive": FALSE_POSITIVE,
            "false negative": FALSE_NEGATIVE,
        },
    )
    note = f" {CONVENTION_NOTE}" if case.has_orientation else ""
    return Drawing(
        KIND,
        title,
        f"Image; predicted tissues in the outline of the reference; errors of {case.core}.{note}",
        figure,
        Table(COLUMNS, rows),
        case.case_id,
    )


def _tissues(axes: Axes, picture: Picture, case: LabelledCase, plane: Plane, colours: list[str]) -> None:
    index = case.centre()[1][plane.axis]
    blended = with_classes(picture, cut(case, case.prediction, plane, index), colours)
    show(axes, blended, case, plane)
    outline(axes, cut(case, case.region(case.core, predicted=False), plane, index), _OUTLINE)


def _errors(axes: Axes, picture: Picture, case: LabelledCase, plane: Plane) -> None:
    index = case.centre()[1][plane.axis]
    wanted, found = (
        cut(case, case.region(case.core, predicted=predicted), plane, index) for predicted in (False, True)
    )
    show(axes, with_errors(picture, wanted, found), case, plane)
