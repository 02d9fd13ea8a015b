"""Which cases deserve a look: failures first, then from the worst to the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brats3d.metrics import LesionRow, RegionRow
from brats3d.metrics.empty_policy import PREDICTION_MISSING
from brats3d.metrics.lesions import FALSE_NEGATIVE

SCORE = "mean Dice over the regions"

_UNREADABLE, _ZERO, _MISSED, _FINE = range(4)


@dataclass(frozen=True)
class RankedCase:
    """A case in its place.

    Attributes:
        case_id: Case.
        score: Mean Dice over its regions, without undefined ones; NaN where there is none.
        failures: What went wrong, a phrase each; empty for most cases.
        can_be_shown: Whether there is a prediction to look at.
    """

    case_id: str
    score: float
    failures: tuple[str, ...] = ()
    can_be_shown: bool = True


def rank_cases(
    rows: Sequence[RegionRow],
    lesions: Sequence[LesionRow] = (),
    unreadable: Mapping[str, str] | None = None,
) -> tuple[RankedCase, ...]:
    """Put cases in order.

    First those that could not be read or have no prediction, then those with a region of Dice 0, then those
    with a missed lesion, then the others; within each from the lowest to the highest mean Dice over the
    regions, equal ones by name.

    Args:
        rows: Scores per case and region.
        lesions: Lesions of the same cases, where they are known.
        unreadable: Cases that have no scores, to what is wrong with them.
    """
    found = [
        (_UNREADABLE, RankedCase(name, math.nan, (why,), False)) for name, why in (unreadable or {}).items()
    ]
    by_case: dict[str, list[RegionRow]] = {}
    for row in rows:
        by_case.setdefault(row.case_id, []).append(row)
    missed: dict[str, list[LesionRow]] = {}
    for lesion in lesions:
        if lesion.kind == FALSE_NEGATIVE:
            missed.setdefault(lesion.case_id, []).append(lesion)
    found += [_ranked(name, own, missed.get(name, ())) for name, own in by_case.items()]
    return tuple(
        case for _, case in sorted(found, key=lambda item: (item[0], _lowest_first(item[1]), item[1].case_id))
    )


def worst_median_best(cases: Sequence[RankedCase]) -> dict[str, str]:
    """Choose the cases to look at, by their score alone.

    Args:
        cases: Ranked cases.

    Returns:
        Case id to ``worst``, ``median`` (of an even number the lower one) or ``best``; of two cases none is
        the median, and one alone is the ``only`` one. Cases that cannot be shown or have no score are not
        chosen.
    """
    shown = [case for case in cases if case.can_be_shown and not math.isnan(case.score)]
    ordered = [case.case_id for case in sorted(shown, key=lambda case: (case.score, case.case_id))]
    if len(ordered) == 1:
        return {ordered[0]: "only"}
    if not ordered:
        return {}
    middle = {ordered[(len(ordered) - 1) // 2]: "median"} if len(ordered) > 2 else {}
    return {ordered[0]: "worst", **middle, ordered[-1]: "best"}


def _ranked(case_id: str, rows: Sequence[RegionRow], missed: Sequence[LesionRow]) -> tuple[int, RankedCase]:
    defined = [row["dice"] for row in rows if not math.isnan(row["dice"])]
    score = math.fsum(defined) / len(defined) if defined else math.nan
    if any(row.empty == PREDICTION_MISSING for row in rows):
        return _UNREADABLE, RankedCase(case_id, score, ("no prediction",), False)
    zero = [f"{row.region}: Dice 0" for row in rows if row["dice"] == 0]
    counts: dict[str, int] = {}
    for lesion in missed:
        counts[lesion.region] = counts.get(lesion.region, 0) + 1
    lost = [f"{region}: {n} {'lesion' if n == 1 else 'lesions'} missed" for region, n in counts.items()]
    group = _ZERO if zero else _MISSED if lost else _FINE
    return group, RankedCase(case_id, score, (*zero, *lost))


def _lowest_first(case: RankedCase) -> float:
    return math.inf if math.isnan(case.score) else case.score
