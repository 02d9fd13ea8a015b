"""How the scores of the cases are spread, metric by metric and region by region."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from brats3d.metrics import RegionRow
from brats3d.reporting.canvas import Drawing, new_figure, styled
from brats3d.reporting.metric_titles import direction, metric_title
from brats3d.reporting.palette import region_colours
from brats3d.reporting.strips import Strip, draw_strips
from brats3d.reporting.table import Table

KIND = "dice"
ALL_KIND = "distributions"
_ACROSS = 4
_CAPTION = (
    "A point is a case; from five cases on, a box holds the middle half of them and the line in it is the "
    "median. Hollow points are cases with an empty mask, whose score is set by a rule; triangles at the top "
    "lie beyond the axis."
)


@styled
def draw_dice(rows: Sequence[RegionRow]) -> Drawing:
    """Draw the Dice of each case as a point, and quartiles where there are five cases or more.

    Args:
        rows: Scores per case and region; undefined ones are counted below the axis.
    """
    regions = list(dict.fromkeys(row.region for row in rows))
    figure = new_figure(1.3 * len(regions) + 1.2, 3.4)
    axes = figure.subplots()
    draw_strips(axes, "dice", _strips(rows, "dice"), region_colours(regions))
    axes.set_ylabel("Dice")
    axes.set_title("Dice per case")
    defined = [row for row in rows if row["dice"] == row["dice"]]
    table = Table(("case_id", "region", "dice"), [[row.case_id, row.region, row["dice"]] for row in defined])
    return Drawing(KIND, "Dice per case", _CAPTION, figure, table)


@styled
def draw_distributions(rows: Sequence[RegionRow]) -> Drawing:
    """Draw every metric of the table, a panel each.

    Args:
        rows: Scores per case and region, not empty; values that are undefined or infinite are counted
            below the axis.
    """
    metrics = list(rows[0].scores)
    colours = region_colours(list(dict.fromkeys(row.region for row in rows)))
    across = min(_ACROSS, len(metrics))
    down = -(-len(metrics) // across)
    figure = _grid(across, down, regions=len(colours))
    for place, metric in enumerate(metrics, start=1):
        axes = figure.add_subplot(down, across, place)
        draw_strips(axes, metric, _strips(rows, metric), colours, small=True)
        axes.set_title(f"{metric_title(metric)} {direction(metric)}".rstrip(), loc="left", fontsize=8)
    table = Table(
        ("case_id", "region", "metric", "value", "empty_mask"),
        [
            [row.case_id, row.region, metric, row[metric], row.empty or "none"]
            for metric in metrics
            for row in rows
        ],
    )
    caption = f"{_CAPTION} Arrows say whether more or less is better."
    return Drawing(ALL_KIND, "All metrics per case and region", caption, figure, table)


def _strips(rows: Sequence[RegionRow], metric: str) -> list[Strip]:
    regions = dict.fromkeys(row.region for row in rows)
    return [
        Strip(region, [(row[metric], bool(row.empty)) for row in rows if row.region == region])
        for region in regions
    ]


def _grid(across: int, down: int, regions: int) -> Figure:
    """Empty figure with fixed room around each panel: to look for it takes longer than all the rest."""
    panel = max(1.3, 0.4 * regions)
    left, right, bottom, top, gap_across, gap_down, high = 0.5, 0.1, 0.5, 0.3, 0.5, 0.68, 1.2
    width = left + right + across * panel + (across - 1) * gap_across
    height = bottom + top + down * high + (down - 1) * gap_down
    figure = new_figure(width, height, arranged=False)
    figure.subplots_adjust(
        left / width,
        bottom / height,
        1 - right / width,
        1 - top / height,
        wspace=gap_across / panel,
        hspace=gap_down / high,
    )
    return figure
