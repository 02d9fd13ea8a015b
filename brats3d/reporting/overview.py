"""A case at a glance: modalities, probabilities, reference and prediction, in the slice with most tumour."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.patches import Patch

from brats3d.reporting.blending import (
    Picture,
    grey,
    window,
    with_classes,
    with_disagreement,
    with_probabilities,
)
from brats3d.reporting.canvas import Drawing, new_figure, styled
from brats3d.reporting.case import LabelledCase
from brats3d.reporting.palette import region_colours, tissue_colours
from brats3d.reporting.panels import CONVENTION_NOTE, cut, disagreement_colours, show
from brats3d.reporting.region_counts import COLUMNS, region_counts
from brats3d.reporting.table import Table
from brats3d.reporting.views import Plane

KIND = "overview"
_PANEL_IN = 1.75
_FEWEST_ACROSS = 4
_COLOUR_MAP = "cividis"
_CAPTION = "The slice with most tumour. "
_COMPOSITE = "The composite lays the regions over the image, each as opaque as it is probable. "

_Panel = Callable[[Axes], None]


@styled
def draw_overview(case: LabelledCase) -> Drawing:
    """Draw a case: its modalities, the probability of each region, and what reference and prediction say."""
    plane, index = case.largest_slice()
    colours = tissue_colours(case.convention.class_names[1:])
    pictures = {
        name: grey(cut(case, image, plane, index), window(image, case.brain))
        for name, image in case.images.items()
    }
    background = pictures[case.image("flair")[0]]
    wanted, found = (cut(case, classes, plane, index) for classes in (case.reference, case.prediction))
    compared = {
        "reference": with_classes(background, wanted, list(colours.values())),
        "prediction": with_classes(background, found, list(colours.values())),
        "disagreement": with_disagreement(background, wanted, found),
    }
    has_probabilities = case.probabilities is not None
    key = _key({**colours, **disagreement_colours(colours)}, has_scale=has_probabilities)
    groups = [
        [_picture(case, plane, name, picture) for name, picture in pictures.items()],
        _probabilities(case, plane, index, background),
        [*(_picture(case, plane, name, picture) for name, picture in compared.items()), key],
    ]
    place = case.place(plane, index)
    title = f"{case.case_id}{place and ', '}{place}"
    note = f" {CONVENTION_NOTE}" if case.has_orientation else ""
    composite = _COMPOSITE if has_probabilities else ""
    drawing = Drawing(
        KIND,
        f"{case.case_id}: images, probabilities, reference and prediction",
        f"{_CAPTION if place else ''}{composite}{note}".strip(),
        new_figure(1, 1),
        Table(COLUMNS, region_counts(case, plane, index)),
        case.case_id,
    )
    _lay_out(drawing, groups, case, plane, title)
    return drawing


def _lay_out(
    drawing: Drawing, groups: list[list[_Panel]], case: LabelledCase, plane: Plane, title: str
) -> None:
    """Put each group into a row of its own, or all of them in line where they are few."""
    lines = [group for group in groups if group]
    across = max(_FEWEST_ACROSS, *(len(line) for line in lines))
    every = [panel for line in lines for panel in line]
    if len(every) <= 2 * across:
        lines = [every[start : start + across] for start in range(0, len(every), across)]
    width_mm, height_mm = plane.size_mm(case.box, case.spacing_mm)
    high = len(lines) * ((_PANEL_IN - 0.08) * height_mm / width_mm + 0.24) + 0.4
    drawing.figure.set_size_inches(_PANEL_IN * across, high)
    drawing.figure.suptitle(title, fontsize="large")
    axes = drawing.figure.subplots(len(lines), across, squeeze=False)
    for empty in axes.flat:
        empty.set_axis_off()
    for row, line in zip(axes, lines, strict=True):
        for place, panel in zip(row, line, strict=False):
            panel(place)


def _picture(case: LabelledCase, plane: Plane, title: str, picture: Picture) -> _Panel:
    return lambda axes: show(axes, picture, case, plane, title)


def _probabilities(case: LabelledCase, plane: Plane, index: int, background: Picture) -> list[_Panel]:
    """Probability of each region, and all of them upon the image; nothing where none are known."""
    if case.probabilities is None:
        return []
    names = case.convention.region_names
    maps = {
        name: np.asarray(cut(case, volume, plane, index), dtype=np.float32)
        for name, volume in zip(names, case.probabilities, strict=True)
    }
    colours = region_colours(names)
    composite = with_probabilities(
        background,
        {colours[name]: probability for name, probability in maps.items()},
        [len(region.tissues) for region in case.convention.regions],
    )
    return [
        *(_map(case, plane, name, probability) for name, probability in maps.items()),
        _picture(case, plane, "composite", composite),
    ]


def _map(case: LabelledCase, plane: Plane, name: str, probability: Picture) -> _Panel:
    def draw(axes: Axes) -> None:
        show(axes, probability, case, plane, f"P({name})")
        axes.images[0].set(cmap=_COLOUR_MAP, clim=(0, 1))

    return draw


def _key(colours: dict[str, str], *, has_scale: bool) -> _Panel:
    """Panel that says what the colours mean."""

    def draw(axes: Axes) -> None:
        patches = [Patch(facecolor=colour, edgecolor="0.4", label=name) for name, colour in colours.items()]
        axes.legend(handles=patches, loc="upper left", fontsize="small", borderaxespad=0.2)
        if not has_scale:
            return
        scale = axes.inset_axes((0.06, 0.14, 0.85, 0.06))
        shades = ScalarMappable(cmap=_COLOUR_MAP)
        shades.set_clim(0, 1)
        axes.figure.colorbar(shades, cax=scale, orientation="horizontal", ticks=[0, 0.5, 1])
        scale.tick_params(labelsize="x-small")
        scale.set_title("probability", fontsize="small", pad=3)

    return draw
