"""Figures: what they are made of, the numbers beside them, the same bytes again."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from brats3d.metrics import RegionRow, evaluate_case
from brats3d.reporting import (
    Drawing,
    LabelledCase,
    TrainingLog,
    count_confusion,
    draw_confusion,
    draw_curves,
    draw_dice,
    draw_overview,
    draw_planes,
    files_in_index,
    write_index,
)
from brats3d.reporting.canvas import DOTS_PER_INCH
from brats3d.reporting.focus import focus_of
from brats3d.reporting.palette import FALSE_NEGATIVE, FALSE_POSITIVE, OTHER_TISSUE, rgb

NAN = math.nan
LOG = TrainingLog(
    (0, 1, 2),
    {
        "train/loss_epoch": (1.0, 0.5, 0.25),
        "val/loss": (NAN, 0.6, 0.3),
        "val/dice": (NAN, 0.7, 0.8),
        "val/dice_ET": (NAN, 0.6, 0.7),
        "val/dice_WT": (NAN, 0.8, 0.9),
        "train/lr": (1e-3, 1e-4, 0.0),
    },
)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def drawn_on(drawing: Drawing, title: str):
    return next(axes for axes in drawing.figure.axes if axes.get_title() == title)


def slice_of(case: LabelledCase) -> Drawing:
    """The same case as a picture: one slice, whose sides nobody knows."""
    flat = {
        "images": {"xray": case.images["flair"][..., 5:6]},
        "reference": case.reference[..., 5:6],
        "prediction": case.prediction[..., 5:6],
        "probabilities": case.probabilities[..., 5:6],
        "has_orientation": False,
    }
    return dataclasses.replace(case, **flat)


class TestCurves:
    def test_the_table_is_what_is_drawn(self, tmp_path: Path) -> None:
        drawing = draw_curves(LOG)
        drawing.save(tmp_path)
        rows = read(tmp_path / "curves.csv")
        lines = {
            (axes.get_title(), line.get_label()): list(zip(*line.get_data(), strict=True))
            for axes in drawing.figure.axes
            for line in axes.get_lines()
        }
        columns = {
            ("Loss", "training"): "train/loss_epoch",
            ("Loss", "validation"): "val/loss",
            ("Dice, mean of regions", "validation"): "val/dice",
            ("Dice in validation", "ET"): "val/dice_ET",
            ("Dice in validation", "WT"): "val/dice_WT",
            ("Learning rate", "training"): "train/lr",
        }
        assert set(lines) == set(columns)
        assert set(rows[0]) == {"epoch", *columns.values()}
        for place, column in columns.items():
            written = [(int(row["epoch"]), float(row[column])) for row in rows if row[column]]
            assert lines[place] == written

    def test_what_an_old_run_did_not_log_has_no_panel(self) -> None:
        old = TrainingLog((0,), {"train/loss_epoch": (1.0,), "val/iou": (NAN,)})
        assert [axes.get_title() for axes in draw_curves(old).figure.axes] == ["Loss"]


class TestOverview:
    def test_panels(self, case: LabelledCase) -> None:
        titles = [axes.get_title() for axes in draw_overview(case).figure.axes]
        wanted = [
            "t1ce",
            "flair",
            "P(ET)",
            "P(TC)",
            "P(WT)",
            "composite",
            "reference",
            "prediction",
            "disagreement",
        ]
        assert [title for title in titles if title] == wanted

    def test_the_table_counts_the_slice(self, case: LabelledCase, tmp_path: Path) -> None:
        draw_overview(case).save(tmp_path)
        row = next(row for row in read(tmp_path / "case-someone-overview.csv") if row["region"] == "WT")
        # A square of 8 by 8, shifted by one.
        counts = {name: int(row[name]) for name in ("reference_voxels", "predicted_voxels", "tp", "fp", "fn")}
        assert counts == {"reference_voxels": 64, "predicted_voxels": 64, "tp": 56, "fp": 8, "fn": 8}
        assert float(row["mean_probability"]) == pytest.approx(0.1 + 0.8 * 64 / (24 * 20))

    def test_errors_have_their_colours(self, case: LabelledCase) -> None:
        picture = drawn_on(draw_overview(case), "disagreement").images[0].get_array()
        columns = {}
        for colour in (FALSE_POSITIVE, FALSE_NEGATIVE):
            found = np.argwhere(np.isclose(picture, rgb(colour), atol=1e-6).all(axis=-1))
            assert len(found) == 8
            (columns[colour],) = set(found[:, 1].tolist())
        # The prediction is further to the patient's right, which is on the left of the picture.
        assert columns[FALSE_NEGATIVE] - columns[FALSE_POSITIVE] == 8

    def test_a_probability_map_holds_the_probabilities(self, case: LabelledCase) -> None:
        image = drawn_on(draw_overview(case), "P(TC)").images[0]
        assert image.get_clim() == (0, 1)
        assert np.asarray(image.get_array()).sum() == pytest.approx(
            case.probabilities[1, case.box[0], case.box[1], 3].sum(), rel=1e-5
        )

    def test_a_picture_has_no_left_and_right(self, case: LabelledCase) -> None:
        def letters(shown: LabelledCase) -> set[str]:
            return {text.get_text() for text in drawn_on(draw_overview(shown), "reference").texts}

        assert letters(case) == {"R", "L", "A", "P"}
        assert letters(slice_of(case)) == set()


class TestPlanes:
    def test_a_row_per_plane_with_right_proportions(self, case: LabelledCase, tmp_path: Path) -> None:
        drawing = draw_planes(case)
        aspects = [axes.get_aspect() for axes in drawing.figure.axes]
        assert aspects == [1.0] * 4 + [3.0] * 8
        drawing.save(tmp_path)
        rows = read(tmp_path / "case-someone-planes.csv")
        assert [(row["plane"], row["slice"]) for row in rows[::3]] == [
            ("axial", "5"),
            ("coronal", "9"),
            ("sagittal", "9"),
        ]

    def test_they_go_through_the_core_of_the_largest_lesion(self, case: LabelledCase) -> None:
        reference = case.reference.copy()
        reference[3:5, 3:5, 2:4] = 3  # a second, smaller one that is all core
        name, voxel = focus_of(dataclasses.replace(case, reference=reference))
        assert name == "the largest lesion"
        assert case.region("TC", predicted=False)[voxel]

    def test_without_a_lesion_they_go_through_the_predicted_one_and_without_that_through_the_brain(
        self, case: LabelledCase
    ) -> None:
        nothing = np.zeros_like(case.reference)
        name, voxel = focus_of(dataclasses.replace(case, reference=nothing))
        assert (name, bool(case.prediction[voxel])) == ("the largest predicted lesion", True)
        healthy = dataclasses.replace(case, reference=nothing, prediction=nothing)
        assert focus_of(healthy)[0] == "the brain"
        assert len(draw_planes(healthy).table.rows) == 9
        assert len(draw_overview(healthy).table.rows) == 3
        blank = {name: np.zeros_like(image) for name, image in case.images.items()}
        assert len(draw_planes(dataclasses.replace(healthy, images=blank)).table.rows) == 9

    def test_disagreement_tells_three_kinds_apart(self, case: LabelledCase) -> None:
        picture = drawn_on(draw_planes(case), "disagreement").images[0].get_array()
        index = focus_of(case)[1][2]
        wanted, found = (classes[..., index] for classes in (case.reference, case.prediction))
        counts = {
            FALSE_POSITIVE: (found > 0) & (wanted == 0),
            FALSE_NEGATIVE: (wanted > 0) & (found == 0),
            OTHER_TISSUE: (wanted > 0) & (found > 0) & (wanted != found),
        }
        for colour, mask in counts.items():
            assert np.isclose(picture, rgb(colour), atol=1e-6).all(axis=-1).sum() == mask.sum() > 0

    def test_one_slice_is_one_row(self, case: LabelledCase) -> None:
        assert len(draw_planes(slice_of(case)).figure.axes) == 4


class TestConfusion:
    def test_what_is_what(self) -> None:
        matrix = count_confusion(np.array([0, 0, 1, 2], np.uint8), np.array([0, 1, 1, 0], np.uint8), 4)
        assert matrix.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]

    def test_the_table_is_what_is_written_in_the_cells(self, case: LabelledCase, tmp_path: Path) -> None:
        names = case.convention.class_names
        matrix = count_confusion(case.reference, case.prediction, 4)
        matrix[1] = 0
        drawing = draw_confusion(matrix, names, 1)
        cells = [text.get_text() for text in drawing.figure.axes[0].texts]
        drawing.save(tmp_path)
        rows = read(tmp_path / "confusion.csv")
        assert [int(row["voxels"]) for row in rows] == matrix.ravel().tolist()
        for cell, row in zip(cells, rows, strict=True):
            share, voxels = cell.split("\n")
            assert int(voxels.replace(",", "")) == int(row["voxels"])
            if row["reference"] == names[1]:
                assert (share, row["share_of_reference"]) == ("no voxel", "")
            else:
                assert float(share.removesuffix(" %")) == pytest.approx(
                    100 * float(row["share_of_reference"]), abs=0.05
                )
        for name in (names[0], *names[2:]):
            shares = [float(row["share_of_reference"]) for row in rows if row["reference"] == name]
            assert sum(shares) == pytest.approx(1)


def scored(number: int, shift: int) -> list[RegionRow]:
    mask = np.zeros((1, 8, 8), dtype=bool)
    mask[0, 2:5, 2:5] = True
    scores = evaluate_case(
        np.roll(mask, shift, axis=1), mask, spacing_mm=(1.0, 1.0), regions=["WT"], case_id=f"case{number}"
    )
    return list(scores.rows)


def test_dice_points_are_those_of_the_table() -> None:
    rows = [row for number in range(6) for row in scored(number, number % 3)]
    drawing = draw_dice(rows)
    points = drawing.figure.axes[0].collections[0].get_offsets()
    assert points[:, 1].tolist() == [row[2] for row in drawing.table.rows] == [row["dice"] for row in rows]
    assert len(set(points[:, 1].tolist())) == 3
    assert len({tuple(point) for point in points.tolist()}) == 6


@pytest.mark.parametrize("flat", [False, True], ids=["volume", "picture"])
def test_nothing_is_cut_off(case: LabelledCase, flat: bool) -> None:
    shown = slice_of(case) if flat else case
    matrix = np.full((4, 4), 123_456_789)
    drawings = [
        draw_curves(LOG),
        draw_confusion(matrix, case.convention.class_names, 12),
        draw_dice(scored(0, 1)),
        draw_overview(shown),
        draw_planes(shown),
    ]
    for drawing in drawings:
        drawing.figure.canvas.draw()
        inner = drawing.figure.get_tightbbox()
        width, height = drawing.figure.get_size_inches()
        assert min(inner.x0, inner.y0, width - inner.x1, height - inner.y1) > -0.01, drawing.kind


class TestFiles:
    @pytest.mark.parametrize("draw", [draw_overview, draw_planes])
    def test_the_same_bytes_again_whatever_the_user_has_set(
        self, case: LabelledCase, tmp_path: Path, draw
    ) -> None:
        first = draw(case).save(tmp_path / "first")
        with matplotlib.rc_context({"font.size": 20, "axes.titlesize": 4, "savefig.dpi": 30}):
            draw(case).save(tmp_path / "second")
            assert matplotlib.rcParams["font.size"] == 20
        for name in first.files.values():
            assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()

    def test_forms(self, case: LabelledCase, tmp_path: Path) -> None:
        drawing = draw_planes(case)
        entry = drawing.save(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(entry.files.values())
        with Image.open(tmp_path / entry.files["png"]) as picture:
            width, height = drawing.figure.get_size_inches() * DOTS_PER_INCH
            assert picture.size == (int(width), int(height))
        vector = (tmp_path / entry.files["svg"]).read_text()
        assert vector.count("<svg ") == 1
        assert "<dc:date>" not in vector

    def test_an_index_lists_them(self, tmp_path: Path) -> None:
        entry = draw_curves(LOG).save(tmp_path)
        write_index(tmp_path, [entry], {"run": "first"})
        content = json.loads((tmp_path / "index.json").read_text())
        assert content["run"] == "first"
        assert content["figures"][0]["kind"] == "curves"
        assert content["figures"][0]["files"]["svg"] == "curves.svg"
        assert files_in_index(tmp_path) == ["curves.png", "curves.svg", "curves.csv"]
        (tmp_path / "index.json").write_text("{")
        assert files_in_index(tmp_path) == []
