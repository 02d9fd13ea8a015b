"""The parts of a page that show scores: figures, tables and what they mean."""

from __future__ import annotations

import logging
from pathlib import Path

from brats3d.reporting import draw_calibration, draw_dice, draw_distributions, draw_lesions, draw_volumes
from brats3d.reporting.page import Cell, Column, Details, PageTable, Part, place
from brats3d.reporting.page.lesions import all_details, count_table, wrong_table
from brats3d.reporting.page.numbers import number
from brats3d.reporting.page.score_rules import rule_details
from brats3d.reporting.page.scores import (
    case_table,
    empty_table,
    score_table,
    statistics_table,
)
from brats3d.workflows.report_scores import Scores

logger = logging.getLogger(__name__)


def score_part(scores: Scores) -> Part:
    """Table of all metrics with their definitions."""
    notes = [f"{note[:1].upper()}{note[1:]}." for note in scores.notes]
    if not scores.rows:
        return Part("scores", "Scores", text=["No case has been scored.", *notes])
    rules = rule_details(scores.summary)
    return Part(
        "scores",
        "Scores",
        text=notes,
        tables=[score_table(scores.summary), empty_table(scores.summary)],
        details=[
            Details("All statistics", [statistics_table(scores.summary)]),
            *([rules] if rules is not None else []),
        ],
        starts_page=True,
    )


def figure_parts(scores: Scores, folder: Path) -> list[Part]:
    """How scores and volumes are spread over the cases.

    Args:
        scores: Scores.
        folder: Where the files of the figures go.

    Raises:
        OutputError: A file cannot be written.
    """
    if not scores.rows:
        return []
    return [
        Part(
            "distributions",
            "Distributions",
            pictures=[place(draw(scores.rows), folder) for draw in (draw_dice, draw_distributions)],
            details=[Details("Scores of each case", [case_table(scores.rows)])],
            starts_page=True,
        ),
        Part("volumes", "Volumes", pictures=[place(draw_volumes(scores.rows), folder)]),
    ]


def lesion_parts(scores: Scores, folder: Path) -> list[Part]:
    """Lesions that were missed and invented, and all of them; nothing where none are recorded."""
    if not scores.lesions:
        return []
    wrong = wrong_table(scores.lesions)
    return [
        Part(
            "lesions",
            "Lesions",
            text=() if wrong is not None else ("No lesion was missed or invented.",),
            tables=[count_table(scores.lesions), *([wrong] if wrong is not None else [])],
            pictures=[place(draw_lesions(scores.lesions), folder)],
            details=[all_details(scores.lesions)],
            starts_page=True,
        )
    ]


def calibration_parts(scores: Scores, folder: Path) -> list[Part]:
    """How far probabilities can be taken at their word; nothing where they are not known."""
    if not scores.calibration:
        return []
    rows = [
        [Cell(region), *(Cell(number(value, 4)) for value in (own.ece, own.ece_beyond_lowest, own.brier))]
        for region, own in scores.calibration.items()
    ]
    columns = [
        Column("Region", "text"),
        Column("ECE"),
        Column("ECE, lowest bin left out"),
        Column("Brier score"),
    ]
    text = [
        "Over all voxels of the brain and of the reference, of all cases together. The expected calibration "
        "error (ECE) is the mean gap between what is predicted and what is so; most voxels are far from any "
        "tumour and lie in the lowest bin, so that the second column leaves it out."
    ]
    table = PageTable("Calibration by region", columns, rows)
    picture = place(draw_calibration(scores.calibration), folder)
    return [Part("calibration", "Calibration", text=text, tables=[table], pictures=[picture])]
