"""The cases that a report shows: which they are, and their figures."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brats3d.errors import ConfigError, DataError, closest_first
from brats3d.metrics import RegionRow
from brats3d.reporting import (
    Drawing,
    LabelledCase,
    RankedCase,
    count_confusion,
    draw_confusion,
    draw_overview,
    draw_planes,
    worst_median_best,
)
from brats3d.reporting.page import Cell, Column, PageTable, Part, Picture, place
from brats3d.reporting.page.numbers import number, places_of
from brats3d.workflows.messages import progress_over
from brats3d.workflows.scoring import in_one_line

logger = logging.getLogger(__name__)

_SHOWN = (
    ("dice", "Dice"),
    ("hd95_mm", "HD95, mm"),
    ("sensitivity", "sensitivity"),
    ("precision", "precision"),
    ("volume_ref_ml", "reference, ml"),
    ("volume_pred_ml", "predicted, ml"),
    ("lesion_tp", "found"),
    ("lesion_fn", "missed"),
    ("lesion_fp", "invented"),
)
_EXTREMES = 3
_WHOLE = frozenset({"lesion_tp", "lesion_fn", "lesion_fp"})

NO_IMAGE = "no image"
"""Stands for the image of a case that has none."""

Read = Callable[[str], LabelledCase]
"""Reads or predicts the case of an id; raises Brats3dError where that cannot be done."""


def choose_by_score(
    ids: Sequence[str], ranked: Sequence[RankedCase], wanted: Sequence[str]
) -> dict[str, str]:
    """Choose cases to show.

    Args:
        ids: Cases that may be shown.
        ranked: What is known of their scores.
        wanted: One number (so many, spread evenly from the worst to the best), or ids.

    Returns:
        Case id to what it is: worst, median, best, or its mean Dice; nothing where that is not known.

    Raises:
        ConfigError: An id that is not among them.
    """
    known = [own for own in ranked if own.case_id in ids and own.can_be_shown and not math.isnan(own.score)]
    said = {own.case_id: f"mean Dice {number(own.score)}" for own in known}
    if not (len(wanted) == 1 and wanted[0].isdecimal() and wanted[0] not in ids):
        for name in wanted:
            if name not in ids:
                raise ConfigError(
                    "the case is not among those that can be shown",
                    where="cases",
                    got=repr(name),
                    expected="a number, or ids such as " + ", ".join(closest_first(name, ids)[:8]),
                    remedy="name other cases, or show none: --cases 0",
                )
        return {name: said.get(name, "") for name in dict.fromkeys(wanted)}
    count = int(wanted[0])
    if not known:
        return dict.fromkeys(ids[:count], "")
    if count == _EXTREMES:
        return {
            name: said[name] if kind == "only" else f"{kind.capitalize()} case, {said[name]}"
            for name, kind in worst_median_best(known).items()
        }
    ordered = [own.case_id for own in sorted(known, key=lambda own: (own.score, own.case_id))]
    places = np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int).tolist()
    return {ordered[at]: said[ordered[at]] for at in dict.fromkeys(places)}


def cases_part(
    chosen: Mapping[str, str], read: Read, rows: Sequence[RegionRow], folder: Path
) -> tuple[Part, dict[str, str]]:
    """Draw the chosen cases, one after the other, so that memory holds but one.

    Args:
        chosen: Case id to what it is.
        read: Reads or predicts a case.
        rows: Scores, for the tables beside the figures.
        folder: Where the files of the figures go.

    Returns:
        The cases, and those that cannot be read, to what is wrong with them.

    Raises:
        OutputError: A file cannot be written.
    """
    parts, unreadable = [], {}
    confusion: list[tuple[NDArray[np.int64], Sequence[str]]] = []
    for place_, (case_id, said) in enumerate(progress_over(list(chosen.items()), "drawing"), start=1):
        name = f"{said}: {case_id}" if said else case_id
        try:
            case = read(case_id)
        except DataError as error:
            unreadable[case_id] = in_one_line(error)
            text = f"The case cannot be shown: {unreadable[case_id]}"
            parts.append(Part(f"case-{place_}", name, text=[text]))
            logger.warning("%s cannot be shown: %s", case_id, error.what)
            continue
        names = case.convention.class_names
        confusion.append((count_confusion(case.reference, case.prediction, len(names)), names))
        own = [row for row in rows if row.case_id == case_id]
        tables = [_case_table(own)] if own else []
        pictures = _figures(case, folder)
        parts.append(Part(f"case-{place_}", name, tables=tables, pictures=pictures, starts_page=place_ > 1))
        logger.info("drew %s", case_id)
    if confusion:
        matrix = np.sum([own for own, _ in confusion], axis=0)
        picture = place(draw_confusion(matrix, confusion[0][1], len(confusion)), folder)
        parts.append(Part("confusion", "Classes of these cases", pictures=[picture], starts_page=True))
    return Part("cases", "Cases", text=[_introduction(chosen)], parts=parts, starts_page=True), unreadable


def _introduction(chosen: Mapping[str, str]) -> str:
    chosen_by = "by their mean Dice over the regions" if any(chosen.values()) else "in the order of the split"
    count = "One case" if len(chosen) == 1 else f"{len(chosen)} cases"
    return f"{count}, chosen {chosen_by}."


def _figures(case: LabelledCase, folder: Path) -> list[Picture]:
    drawings: list[Callable[[LabelledCase], Drawing]] = [draw_planes]
    if case.probabilities is not None or list(case.images) != [NO_IMAGE]:
        drawings.append(draw_overview)
    return [place(draw(case), folder) for draw in drawings]


def _case_table(rows: Sequence[RegionRow]) -> PageTable:
    shown = [(name, title) for name, title in _SHOWN if name in rows[0].scores]
    columns = [Column("Region", "text"), *(Column(title) for _, title in shown)]
    lines = [
        [
            Cell(row.region),
            *(Cell(number(row.scores[name], 0 if name in _WHOLE else places_of(name))) for name, _ in shown),
        ]
        for row in rows
    ]
    return PageTable(
        f"Scores of {rows[0].case_id}, and its lesions found, missed and invented", columns, lines
    )
