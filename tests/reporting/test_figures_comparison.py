"""Figures of models that are compared: points, differences, wins and ranks are those of the comparison."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from score_tables import REGIONS, row, table

from brats3d.metrics import RegionRow, compare
from brats3d.reporting import Drawing, draw_paired, draw_ranks, draw_wins
from brats3d.reporting.palette import MODELS, NEITHER

FIRST, SECOND = table(8, seed=1), table(8, seed=2)
TWO = {"first": FIRST, "second": SECOND}


def panel(drawing: Drawing, region: str):
    return next(axes for axes in drawing.figure.axes if axes.get_title("left") == region)


def lines_of(axes) -> LineCollection:
    return next(own for own in axes.collections if isinstance(own, LineCollection))


def dice(rows: list[RegionRow], region: str) -> list[float]:
    return [own["dice"] for own in rows if own.region == region]


class TestPaired:
    def test_lines_lead_from_one_score_to_the_other_in_the_colour_of_the_better(self) -> None:
        drawing = draw_paired(TWO, compare(TWO), "dice")
        lines = lines_of(panel(drawing, "TC"))
        drawn = [
            (*line[:, 1].tolist(), to_hex(colour).upper())
            for line, colour in zip(lines.get_segments(), lines.get_colors(), strict=True)
        ]
        wanted = [
            (one, other, MODELS[int(other > one)])
            for one, other in zip(dice(FIRST, "TC"), dice(SECOND, "TC"), strict=True)
        ]
        assert drawn == wanted
        assert drawing.table.columns == ("case_id", "region", "metric", "first", "second")
        assert len(drawing.table.rows) == 24

    def test_less_is_better_in_millimetres(self) -> None:
        tables = {"a": [row("x", "WT", hd95_mm=2.0)], "b": [row("x", "WT", hd95_mm=9.0)]}
        drawing = draw_paired(tables, compare(tables), "hd95_mm")
        assert to_hex(lines_of(drawing.figure.axes[0]).get_colors()[0]).upper() == MODELS[0]
        assert drawing.kind == "paired-hd95_mm"
        assert "logarithmic" in drawing.caption

    def test_differences_stand_in_order_about_their_mean(self) -> None:
        comparison = compare(TWO)
        drawing = draw_paired(TWO, comparison, "dice")
        below = drawing.figure.axes[len(REGIONS) + REGIONS.index("WT")]
        drawn = next(own for own in below.collections if len(own.get_offsets()) == 8).get_offsets()[:, 1]
        assert drawn.tolist() == pytest.approx(
            sorted(np.subtract(dice(SECOND, "WT"), dice(FIRST, "WT")).tolist())
        )
        found = next(own for own in comparison.differences if (own.region, own.metric) == ("WT", "dice"))
        assert found.difference.mean in [line.get_ydata()[0] for line in below.get_lines()]
        assert f"p = {found.p_holm:.3f}" in below.get_title("left")

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_what_is_not_finite_is_left_out_of_the_drawing_alone(self, value: float) -> None:
        broken = [dataclasses.replace(own, scores={**own.scores, "hd95_mm": value}) for own in FIRST[:3]]
        tables = {"first": [*broken, *FIRST[3:]], "second": SECOND}
        drawing = draw_paired(tables, compare(tables), "hd95_mm")
        lines = lines_of(panel(drawing, "ET")).get_segments()
        assert (len(lines), len(drawing.table.rows)) == (7, 24)

    def test_of_three_models_there_are_no_differences(self) -> None:
        tables = {**TWO, "third": table(8, seed=3)}
        drawing = draw_paired(tables, compare(tables), "dice")
        assert len(drawing.figure.axes) == 3
        assert {to_hex(own) for own in lines_of(panel(drawing, "ET")).get_colors()} == {NEITHER}


class TestStandings:
    def test_wins_are_those_of_the_comparison(self) -> None:
        comparison = compare({"first": FIRST, "second": [FIRST[0], *SECOND[1:]]})
        drawing = draw_wins(comparison)
        written = [text.get_text() for text in drawing.figure.axes[0].texts]
        numbers = [int(text) for text in written if text.isdecimal()]
        wanted = [(own.wins, own.ties, own.losses) for own in comparison.differences]
        assert numbers == [count for own in wanted for count in own if count]
        assert [tuple(line[2:5]) for line in drawing.table.rows] == wanted
        assert any(ties for _, ties, _ in wanted)

    def test_ranks_are_in_order(self) -> None:
        comparison = compare({**TWO, "third": table(8, seed=3)})
        drawing = draw_ranks(comparison)
        ranks = [line[1] for line in drawing.table.rows]
        assert ranks == sorted(ranks) == [own.mean_rank for own in comparison.ranking]
        assert drawing.table.rows[0][2] is None
        assert drawing.figure.axes[0].get_yticklabels()[0].get_text() == comparison.ranking[0].model


@pytest.mark.parametrize("models", [2, 5])
def test_nothing_is_cut_off(models: int) -> None:
    tables = {
        f"a model of a long $name$ {number}, and more": table(9, seed=number) for number in range(models)
    }
    comparison = compare(tables)
    drawings = [draw_paired(tables, comparison, metric) for metric in ("dice", "hd95_mm")]
    drawings += [draw_ranks(comparison)] + ([draw_wins(comparison)] if models == 2 else [])
    for drawing in drawings:
        drawing.figure.canvas.draw()
        inner = drawing.figure.get_tightbbox()
        width, height = drawing.figure.get_size_inches()
        assert min(inner.x0, inner.y0, width - inner.x1, height - inner.y1) > -0.02, drawing.kind
