"""Figures of scores, volumes, probabilities and lesions: what they show is what their tables say."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from matplotlib.colors import to_hex
from score_tables import REGIONS, lesion, row, table

from brats3d.metrics import Calibration, bland_altman, count_calibration
from brats3d.metrics.calibration import BINS
from brats3d.reporting import (
    Drawing,
    draw_calibration,
    draw_distributions,
    draw_lesions,
    draw_volumes,
    lesion_table,
    missed_and_invented,
)
from brats3d.reporting.palette import FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE, region_colours

NAN, INF = math.nan, math.inf


def panel(drawing: Drawing, title: str):
    (found,) = [axes for axes in drawing.figure.axes if axes.get_title("left").startswith(title)]
    return found


def heights(axes) -> list[float]:
    """Where all points of a panel stand."""
    return sorted(y for own in axes.collections for _, y in np.asarray(own.get_offsets()).tolist())


def drawn_points(axes) -> list:
    """What holds points."""
    return [own for own in axes.collections if len(own.get_offsets())]


def labels_below(axes) -> list[str]:
    return [text.get_text() for text in axes.get_xticklabels()]


class TestDistributions:
    def test_a_panel_for_each_metric_and_a_row_for_each_value(self) -> None:
        rows = table(6)
        drawing = draw_distributions(rows)
        assert len(drawing.figure.axes) == len(rows[0].scores)
        assert len(drawing.table.rows) == len(rows) * len(rows[0].scores)
        assert heights(panel(drawing, "HD95")) == sorted(own["hd95_mm"] for own in rows)

    def test_what_cannot_be_drawn_is_counted(self) -> None:
        values = [2.0, 3.0, INF, INF, NAN]
        rows = [row(f"c{place}", "WT", hd95_mm=value) for place, value in enumerate(values)]
        axes = panel(draw_distributions(rows), "HD95")
        assert labels_below(axes) == ["WT\nn = 4\n2 infinite\n1 undefined"]
        assert len(heights(axes)) == 4
        assert [text.get_text() for text in axes.texts] == ["∞"]

    def test_a_penalty_does_not_press_the_others_together(self) -> None:
        rows = [row(f"c{place}", "WT", hd95_mm=2.0 + place) for place in range(5)]
        rows += [row("missed", "WT", dice=0, hd95_mm=374.0, empty="prediction")]
        axes = panel(draw_distributions(rows), "HD95")
        assert axes.get_ylim()[1] < 10
        assert [text.get_text() for text in axes.texts] == ["374"]

    def test_scores_that_a_rule_set_are_hollow(self) -> None:
        rows = [row("a", "WT", dice=0.7), row("b", "WT", dice=0.0, empty="reference")]
        (points,) = drawn_points(panel(draw_distributions(rows), "Dice"))
        fills = [to_hex(fill) for fill in points.get_facecolor()]
        assert points.get_offsets()[:, 1].tolist() == [0.7, 0.0]
        assert fills == [region_colours(["WT"])["WT"].lower(), "#ffffff"]

    @pytest.mark.parametrize("value", [NAN, INF])
    def test_nothing_to_draw(self, value: float) -> None:
        rows = [dataclasses.replace(row("a", "WT"), scores={"dice": value, "hd95_mm": value})]
        draw_distributions(rows).figure.canvas.draw()


class TestVolumes:
    def test_points_and_limits(self) -> None:
        rows = table(12, regions=["WT"])
        drawing = draw_volumes(rows)
        scatter, differences = drawing.figure.axes
        reference, predicted = ([own[name] for own in rows] for name in ("volume_ref_ml", "volume_pred_ml"))
        drawn = scatter.collections[0].get_offsets()
        assert drawn.tolist() == [list(pair) for pair in zip(reference, predicted, strict=True)]
        found = bland_altman(reference, predicted)
        levels = [line.get_ydata()[0] for line in differences.get_lines()]
        assert levels == [0, found.bias[0], found.lower[0], found.upper[0]]
        by_name = {line[1]: line for line in drawing.table.rows if line[1] != "case"}
        assert tuple(by_name["upper limit"][5:]) == found.upper
        assert [line[5] for line in drawing.table.rows[:12]] == pytest.approx(
            [p - r for r, p in zip(reference, predicted, strict=True)]
        )

    @pytest.mark.parametrize(("cases", "levels"), [(0, 1), (1, 2), (2, 2), (3, 4)])
    def test_few_cases_have_no_limits(self, cases: int, levels: int) -> None:
        rows = [*table(cases, regions=["WT"]), row("gone", "WT", predicted=0, empty="missing")]
        drawing = draw_volumes(rows)
        assert len(drawing.figure.axes[1].get_lines()) == levels
        assert "1 without a prediction" in drawing.caption
        drawing.figure.canvas.draw()

    def test_empty_regions_are_points_at_zero(self) -> None:
        rows = [row(f"c{place}", "ET", reference=0, predicted=0) for place in range(4)]
        drawing = draw_volumes(rows)
        drawing.figure.canvas.draw()
        assert heights(drawing.figure.axes[0]) == [0] * 4

    def test_pictures_count_pixels(self) -> None:
        rows = [
            dataclasses.replace(own, scores={**own.scores, "volume_ref_ml": NAN, "volume_pred_ml": NAN})
            for own in table(3, regions=["WT"])
        ]
        drawing = draw_volumes(rows)
        assert drawing.table.columns[3] == "reference_pixels"
        assert [line[3] for line in drawing.table.rows[:3]] == [own.counts.referenced for own in rows]


class TestCalibration:
    @pytest.fixture
    def counted(self) -> dict[str, Calibration]:
        rng = np.random.default_rng(0)
        probability = rng.random(2000).astype(np.float32) ** 3
        inside = np.ones(2000, dtype=bool)
        return {
            "ET": count_calibration(probability, rng.random(2000) < probability, inside),
            "WT": count_calibration(np.minimum(probability, 0.4), rng.random(2000) < 0.1, inside),
        }

    def test_points_are_the_frequencies(self, counted: dict[str, Calibration]) -> None:
        drawing = draw_calibration(counted)
        points = panel(drawing, "WT").collections[0].get_offsets()
        known = np.array(counted["WT"].voxels) > 0
        assert 0 < known.sum() < BINS
        assert points[:, 1].tolist() == counted["WT"].frequency[known].tolist()
        assert len(drawing.table.rows) == 2 * BINS
        bars = drawing.figure.axes[3].patches
        assert [bar.get_height() for bar in bars] == list(counted["WT"].voxels)
        assert f"ECE {counted['ET'].ece:.4f}" in panel(drawing, "ET").texts[0].get_text()

    def test_without_a_voxel_it_is_empty(self) -> None:
        nothing = Calibration(*[(0,) * BINS] * 4)
        draw_calibration({"WT": nothing}).figure.canvas.draw()


class TestLesions:
    LESIONS = (
        lesion("a", "tp", volume=20, dice=0.8),
        lesion("a", "fn", volume=0.2, number=2),
        lesion("a", "fn", volume=0.9, number=3),
        lesion("b", "fp", volume=0.5),
        lesion("b", "dropped", volume=0.01, number=2),
    )

    def test_each_kind_has_its_colour_and_place(self) -> None:
        drawing = draw_lesions(self.LESIONS)
        points = {
            to_hex(own.get_facecolor()[0]): np.asarray(own.get_offsets())
            for own in drawn_points(drawing.figure.axes[0])
        }
        assert points[TRUE_POSITIVE.lower()].tolist() == [[20, 0.8]]
        missed, invented = points[FALSE_NEGATIVE.lower()], points[FALSE_POSITIVE.lower()]
        assert (missed[:, 0].tolist(), invented[:, 0].tolist()) == ([0.2, 0.9], [0.5])
        assert max(*missed[:, 1], *invented[:, 1]) < 0  # below Dice 0
        assert [bar.get_width() for bar in drawing.figure.axes[1].patches] == [1, 2, 1]

    def test_the_table_says_what_became_of_them(self) -> None:
        names = [line[3] for line in lesion_table(self.LESIONS).rows]
        assert names == ["found", "missed", "missed", "invented", "too small to count"]

    def test_the_largest_missed_one_is_listed_first_then_what_was_invented(self) -> None:
        listed = missed_and_invented(self.LESIONS)
        assert [(own.kind, own.volume_ref_ml) for own in listed] == [("fn", 0.9), ("fn", 0.2), ("fp", 0)]

    def test_pictures_have_no_volumes(self) -> None:
        flat = [dataclasses.replace(own, volume_ref_ml=NAN, volume_pred_ml=NAN) for own in self.LESIONS]
        drawing = draw_lesions(flat)
        assert drawing.figure.axes[0].get_xlabel() == "lesion"
        assert missed_and_invented(flat)[0].case_id == "a"


@pytest.mark.parametrize("cases", [1, 15])
def test_nothing_is_cut_off(cases: int) -> None:
    rows = table(cases)
    rows[0] = dataclasses.replace(rows[0], scores={**rows[0].scores, "hd95_mm": INF, "dice": NAN})
    lesions = [
        lesion(own.case_id, kind, volume=10 ** (place / 40 - 2), region=own.region)
        for place, own in enumerate(rows)
        for kind in ("tp", "fn", "fp")
    ]
    counted = count_calibration(
        np.linspace(0, 1, 50, dtype=np.float32), np.zeros(50, bool), np.ones(50, bool)
    )
    for drawing in (
        draw_distributions(rows),
        draw_volumes(rows),
        draw_lesions(lesions),
        draw_calibration(dict.fromkeys(REGIONS, counted)),
    ):
        drawing.figure.canvas.draw()
        inner = drawing.figure.get_tightbbox()
        width, height = drawing.figure.get_size_inches()
        assert min(inner.x0, inner.y0, width - inner.x1, height - inner.y1) > -0.02, drawing.kind
