"""The report of a classifier: how well it tells images apart, and which tumours it misses."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brats3d.reporting.page import Cell, Column, PageTable, Part, Tile, place
from brats3d.reporting.page.failures import Failure
from brats3d.reporting.page.numbers import number, percent
from brats3d.reporting.roc import draw_roc
from brats3d.workflows.classify import GATE, ROC
from brats3d.workflows.report_training import read_record
from brats3d.workflows.runs import RunFolder


def judged_parts(run: RunFolder) -> dict[str, Mapping[str, Any]]:
    """What a classifier was found to do on the parts of the split; nothing where it has not been judged."""
    gate = read_record(run.path / GATE)
    return {name: gate[name] for name in ("val", "test") if isinstance(gate.get(name), Mapping)}


def classifier_part(run: RunFolder, folder: Path) -> tuple[list[Tile], Part]:
    """How well a classifier tells images apart; a sentence where it has not been judged yet.

    Raises:
        OutputError: A file cannot be written.
    """
    gate, judged = read_record(run.path / GATE), judged_parts(run)
    if not judged:
        return [], Part("scores", "Scores", text=["No image has been judged yet."])
    name, report = list(judged.items())[-1]
    images, wanted = gate.get("images", "images"), gate.get("wanted_sensitivity")
    tiles = [
        Tile("ROC AUC", number(report.get("auc")), f"{report.get('images', 0)} {images} of {name}"),
        Tile("Sensitivity", number(report.get("sensitivity")), f"wanted: {wanted}"),
        Tile("Specificity", number(report.get("specificity"))),
        Tile("Skipped", percent(report.get("skipped_share")), f"{images} below the threshold"),
    ]
    text = [
        f"The classifier tells {images} with tumour from those without. Those with a confidence below "
        f"{number(gate.get('threshold'), 4)} count as without; the threshold was chosen on the validation "
        f"cases for a sensitivity of {wanted}."
    ]
    chosen = {part: (own["sensitivity"], own["specificity"]) for part, own in judged.items()}
    curves = {part: curve for part, curve in _roc_points(run).items() if part in judged}
    pictures = [place(draw_roc(curves, chosen), folder)] if curves else []
    tables = [_classifier_table(judged, images), *(_confusion(part, own) for part, own in judged.items())]
    return tiles, Part("scores", "Scores", text=text, tables=tables, pictures=pictures)


def missed_images(run: RunFolder) -> list[Failure]:
    """Images with tumour that a classifier takes for such without, those it is surest of first."""
    missed = [(part, one) for part, own in judged_parts(run).items() for one in own.get("missed", [])]
    return [
        Failure(
            1,
            str(one["case_id"]),
            part if one.get("slice") is None else f"{part}, slice {one['slice']}",
            "tumour missed",
            f"confidence {number(one['confidence'], 4)}",
            -float(one["confidence"]),
        )
        for part, one in sorted(missed, key=lambda own: float(own[1]["confidence"]))
    ]


def _classifier_table(judged: Mapping[str, Mapping[str, Any]], images: str) -> PageTable:
    shares = ("auc", "accuracy", "sensitivity", "specificity", "skipped_share")
    rows = [
        [
            Cell(name),
            Cell(str(report.get("cases"))),
            Cell(str(report.get("images"))),
            *(Cell(number(report.get(share))) for share in shares),
        ]
        for name, report in judged.items()
    ]
    titles = ("cases", images, "ROC AUC", "accuracy", "sensitivity", "specificity", "share skipped")
    return PageTable("Scores of the classifier", [Column("Part", "text"), *map(Column, titles)], rows)


def _confusion(part: str, report: Mapping[str, Any]) -> PageTable:
    counts = [
        ("with tumour", "true_positives", "false_negatives"),
        ("without tumour", "false_positives", "true_negatives"),
    ]
    return PageTable(
        f"Confusion matrix of {part}",
        [Column("Truth", "text"), Column("judged with"), Column("judged without")],
        [
            [Cell(truth), Cell(str(report.get(one))), Cell(str(report.get(other)))]
            for truth, one, other in counts
        ],
    )


def _roc_points(run: RunFolder) -> dict[str, tuple[list[float], list[float]]]:
    """Part of the split to sensitivities and specificities, as the training recorded them."""
    points: dict[str, tuple[list[float], list[float]]] = {}
    path = run.path / ROC
    if not path.is_file():
        return points
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            sensitivity, specificity = points.setdefault(row["split"], ([], []))
            sensitivity.append(float(row["sensitivity"]))
            specificity.append(float(row["specificity"]))
    return points
