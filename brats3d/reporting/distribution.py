"""How the Dice of the cases is spread, region by region."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brats3d.metrics import RegionRow
from brats3d.reporting.canvas import Drawing, new_figure, styled
from brats3d.reporting.palette import region_colours
from brats3d.reporting.table import Table

KIND = "dice"
_FEWEST_FOR_BOX = 5
_HALF_WIDTH = 0.18


@styled
def draw_dice(rows: Sequence[RegionRow]) -> Drawing:
    """Draw the Dice of each case as a point, and quartiles where there are five cases or more.

    Args:
        rows: Scores per case and region; undefined ones are left out.
    """
    defined = [row for row in rows if row["dice"] == row["dice"]]
    regions = list(dict.fromkeys(row.region for row in rows))
    colours = region_colours(regions)
    figure = new_figure(1.3 * len(regions) + 1.2, 3.4)
    axes = figure.subplots()
    for place, region in enumerate(regions):
        dice = [row["dice"] for row in defined if row.region == region]
        spread = np.linspace(-_HALF_WIDTH, _HALF_WIDTH, len(dice)) if len(dice) > 1 else [0.0]
        if len(dice) >= _FEWEST_FOR_BOX:
            axes.boxplot(
                [dice],
                positions=[place],
                widths=0.55,
                showfliers=False,
                boxprops={"color": "0.5"},
                whiskerprops={"color": "0.5"},
                capprops={"color": "0.5"},
                medianprops={"color": "black", "linewidth": 1.4},
            )
        axes.scatter(
            place + np.asarray(spread)[: len(dice)],
            dice,
            s=22,
            color=colours[region],
            edgecolor="black",
            linewidth=0.5,
            zorder=3,
        )
    counts = [sum(row.region == region for row in defined) for region in regions]
    axes.set_xticks(
        range(len(regions)), [f"{name}\nn = {n}" for name, n in zip(regions, counts, strict=True)]
    )
    axes.set_xlim(-0.6, len(regions) - 0.4)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("Dice")
    axes.grid(axis="y", alpha=0.3, linewidth=0.6)
    axes.set_title("Dice per case")
    table = Table(("case_id", "region", "dice"), [[row.case_id, row.region, row["dice"]] for row in defined])
    caption = "A point is a case; the box holds the middle half of them, the line in it is the median."
    return Drawing(KIND, "Dice per case", caption, figure, table)
