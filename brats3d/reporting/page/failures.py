"""What went wrong with the cases of a table of scores: nothing of it may hide in a mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brats3d.metrics import RegionRow
from brats3d.metrics.empty_policy import PREDICTION_EMPTY, PREDICTION_MISSING, REFERENCE_EMPTY
from brats3d.reporting.page.content import Cell, Column, Failures, PageTable
from brats3d.reporting.page.numbers import millilitres
from brats3d.reporting.table import Table

_MOST_SHOWN = 30
_COLUMNS = ("case_id", "region", "failure", "detail")


@dataclass(frozen=True)
class Failure:
    """One thing that went wrong.

    Attributes:
        rank: How bad it is; 0 is worst.
        case_id: Case.
        region: Region (or image of a case), or nothing where the whole case is meant.
        what: What went wrong.
        detail: How much of it.
        weight: Orders failures of one rank, the largest first.
    """

    rank: int
    case_id: str
    region: str
    what: str
    detail: str
    weight: float = 0.0


def find_failures(
    rows: Sequence[RegionRow], failed: Mapping[str, str], unreadable: Mapping[str, str] | None = None
) -> list[Failure]:
    """List failures, the worst first.

    A case that could not be scored or has no prediction, a region that was missed altogether (Dice 0) or
    invented, and lesions that were missed or invented.

    Args:
        rows: Scores per case and region.
        failed: Case id to why it could not be scored.
        unreadable: Case id to why it could not be shown.
    """
    found = [Failure(0, case_id, "", "not scored", reason) for case_id, reason in failed.items()]
    found += [Failure(0, case_id, "", "not shown", why) for case_id, why in (unreadable or {}).items()]
    missing = dict.fromkeys(row.case_id for row in rows if row.empty == PREDICTION_MISSING)
    found += [Failure(0, case_id, "", "no prediction", "scored as the worst") for case_id in missing]
    for row in rows:
        if row.empty != PREDICTION_MISSING and (own := _of_region(row)) is not None:
            found.append(own)
    return sorted(found, key=lambda one: (one.rank, -one.weight, one.case_id, one.region))


def _of_region(row: RegionRow) -> Failure | None:
    wanted, predicted = row.scores.get("volume_ref_ml", 0.0), row.scores.get("volume_pred_ml", 0.0)
    place = (row.case_id, row.region)
    if row.empty == PREDICTION_EMPTY:
        return Failure(1, *place, "region missed", f"nothing predicted of {_ml(wanted)}", wanted)
    if row.empty == REFERENCE_EMPTY:
        return Failure(
            2, *place, "region invented", f"{_ml(predicted)} predicted, none in the reference", predicted
        )
    if row["dice"] == 0:
        detail = f"{_ml(predicted)} predicted apart from {_ml(wanted)} in the reference"
        return Failure(1, *place, "no overlap (Dice 0)", detail, wanted)
    return _of_lesions(row)


def _of_lesions(row: RegionRow) -> Failure | None:
    missed, invented, hit = (_count(row, f"lesion_{kind}") for kind in ("fn", "fp", "tp"))
    what = [name for name, count in (("missed", missed), ("invented", invented)) if count]
    if not what:
        return None
    details = [f"{missed} of {missed + hit} missed"] if missed else []
    details += [f"{invented} invented"] if invented else []
    rank = 3 if missed else 4
    return Failure(
        rank, row.case_id, row.region, f"lesions {' and '.join(what)}", ", ".join(details), missed or invented
    )


def _count(row: RegionRow, metric: str) -> int:
    value = row.scores.get(metric, 0.0)
    return int(value) if value == value else 0


def _ml(volume: float) -> str:
    return f"{millilitres(volume)} ml" if volume == volume else "some voxels"


def failures_on_page(failures: Sequence[Failure], cases: int) -> Failures:
    """Lay failures out for a page.

    Args:
        failures: From :func:`find_failures`.
        cases: How many cases were scored.
    """
    if not failures:
        scored = "The case was" if cases == 1 else f"All {cases} cases were"
        return Failures(
            None, f"None. {scored} scored; nothing was missed altogether, and nothing was invented."
        )
    kinds: dict[str, int] = {}
    for one in failures:
        kinds[one.what] = kinds.get(one.what, 0) + 1
    affected = len({one.case_id for one in failures})
    counts = ", ".join(f"{what} ({count})" for what, count in kinds.items())
    whom = f"{affected} {'case has' if affected == 1 else 'cases have'} failures"
    shown = failures[:_MOST_SHOWN]
    table = PageTable(
        "Failures, the worst first",
        (
            Column("Case", "text"),
            Column("Where", "text"),
            Column("Failure", "text"),
            Column("Detail", "long"),
        ),
        [[Cell(one.case_id), Cell(one.region), Cell(one.what), Cell(one.detail)] for one in shown],
        frozenset(place for place, one in enumerate(shown) if one.rank < 3),
        sortable=True,
    )
    return Failures(table, f"{whom}: {counts}.", len(failures) - len(shown))


def failures_as_table(failures: Sequence[Failure]) -> Table:
    """All failures, for a CSV file."""
    return Table(_COLUMNS, [[one.case_id, one.region, one.what, one.detail] for one in failures])
