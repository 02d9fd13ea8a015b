"""Lesions as tables of a page: first those that were missed or invented."""

from __future__ import annotations

from collections.abc import Sequence

from brats3d.metrics import LesionRow
from brats3d.metrics.lesions import DROPPED, FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE
from brats3d.reporting.lesion_detection import KIND_NAMES, missed_and_invented
from brats3d.reporting.page.content import Cell, Column, Details, PageTable
from brats3d.reporting.page.numbers import millilitres, number

_MOST_SHOWN = 25
_MOST_LISTED = 500
_COLUMNS = (
    Column("Case", "text"),
    Column("Region", "text"),
    Column("Lesion", "number"),
    Column("What became of it", "text"),
    Column("Reference (ml)"),
    Column("Predicted (ml)"),
    Column("Dice"),
    Column("HD95 (mm)"),
)


def count_table(lesions: Sequence[LesionRow]) -> PageTable:
    """How many lesions were found, missed and invented, by region."""
    regions = dict.fromkeys(lesion.region for lesion in lesions)
    rows = []
    for region in regions:
        kinds = [lesion.kind for lesion in lesions if lesion.region == region]
        found, missed = kinds.count(TRUE_POSITIVE), kinds.count(FALSE_NEGATIVE)
        share = number(found / (found + missed), 3) if found + missed else number(None)
        counts = [kinds.count(kind) for kind in (TRUE_POSITIVE, FALSE_NEGATIVE, FALSE_POSITIVE, DROPPED)]
        rows.append([Cell(region), *(Cell(str(count)) for count in counts), Cell(share)])
    titles = ("found", "missed", "invented", "too small to count", "share found")
    return PageTable("Lesions over all cases", [Column("Region", "text"), *map(Column, titles)], rows)


def wrong_table(lesions: Sequence[LesionRow]) -> PageTable | None:
    """Lesions that were missed, then those that were invented, each the largest first; None if none was."""
    wrong = missed_and_invented(lesions)
    if not wrong:
        return None
    more = f" (the first {_MOST_SHOWN} of {len(wrong)})" if len(wrong) > _MOST_SHOWN else ""
    return _table(f"Missed and invented lesions, the largest first{more}", wrong[:_MOST_SHOWN])


def all_details(lesions: Sequence[LesionRow]) -> Details:
    """Every lesion, folded away."""
    more = f" (the first {_MOST_LISTED} of {len(lesions)})" if len(lesions) > _MOST_LISTED else ""
    return Details(f"All lesions{more}", [_table("All lesions, case by case", lesions[:_MOST_LISTED])])


def _table(caption: str, lesions: Sequence[LesionRow]) -> PageTable:
    marked = frozenset(place for place, lesion in enumerate(lesions) if lesion.kind == FALSE_NEGATIVE)
    return PageTable(caption, _COLUMNS, [_cells(lesion) for lesion in lesions], marked, sortable=True)


def _cells(lesion: LesionRow) -> list[Cell]:
    return [
        Cell(lesion.case_id),
        Cell(lesion.region),
        Cell(str(lesion.lesion)),
        Cell(KIND_NAMES[lesion.kind]),
        Cell.sorted_by(lesion.volume_ref_ml, millilitres(lesion.volume_ref_ml)),
        Cell.sorted_by(lesion.volume_pred_ml, millilitres(lesion.volume_pred_ml)),
        Cell(number(lesion.dice)),
        Cell(number(lesion.hd95_mm, 1)),
    ]
