"""Three planes through the largest lesion: image, reference, prediction, disagreement."""

from __future__ import annotations

from brats3d.reporting.blending import grey, window, with_classes, with_disagreement
from brats3d.reporting.canvas import Drawing, new_figure, styled
from brats3d.reporting.case import LabelledCase
from brats3d.reporting.focus import focus_of
from brats3d.reporting.palette import tissue_colours
from brats3d.reporting.panels import (
    CONVENTION_NOTE,
    cut,
    disagreement_colours,
    legend,
    name_row,
    show,
)
from brats3d.reporting.region_counts import COLUMNS, region_counts
from brats3d.reporting.table import Table
from brats3d.reporting.views import planes_of

KIND = "planes"
_COLUMN_IN = 1.75


@styled
def draw_planes(case: LabelledCase) -> Drawing:
    """Draw a case; a row per plane, all through the voxel in the middle of the largest lesion."""
    name, centre = focus_of(case)
    planes = planes_of(case.prediction.shape)
    sizes = [plane.size_mm(case.box, case.spacing_mm) for plane in planes]
    widest = max(width for width, _ in sizes)
    heights = [height / widest for _, height in sizes]
    figure = new_figure(4 * _COLUMN_IN + 0.3, _COLUMN_IN * sum(heights) + 0.1 * len(planes) + 0.85)
    axes = figure.subplots(len(planes), 4, squeeze=False, gridspec_kw={"height_ratios": heights})
    title = case.case_id if len(planes) == 1 else f"{case.case_id}, through {name}"
    figure.suptitle(title, fontsize="large")
    modality, image = case.image("t1ce", "flair")
    limits = window(image, case.brain)
    colours = tissue_colours(case.convention.class_names[1:])
    for column, heading in zip(axes[0], (modality, "reference", "prediction", "disagreement"), strict=True):
        column.set_title(heading, pad=3)
    rows: list[list[object]] = []
    for line, plane in zip(axes, planes, strict=True):
        index = centre[plane.axis]
        picture = grey(cut(case, image, plane, index), limits)
        wanted, found = (cut(case, classes, plane, index) for classes in (case.reference, case.prediction))
        pictures = (
            picture,
            with_classes(picture, wanted, list(colours.values())),
            with_classes(picture, found, list(colours.values())),
            with_disagreement(picture, wanted, found),
        )
        for panel, shown in zip(line, pictures, strict=True):
            show(panel, shown, case, plane)
        name_row(line[0], case.place(plane, index))
        rows += region_counts(case, plane, index)
    legend(figure, {**colours, **disagreement_colours(colours)})
    note = f" {CONVENTION_NOTE}" if case.has_orientation else ""
    return Drawing(
        KIND,
        title,
        f"Image, tissues of the reference and of the prediction, and where they differ.{note}",
        figure,
        Table(COLUMNS, rows),
        case.case_id,
    )
