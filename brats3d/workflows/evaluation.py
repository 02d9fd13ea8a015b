"""What an evaluation found: rows, summary, and the cases that could not be scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brats3d.errors import DataError
from brats3d.metrics import LesionRow, Profile, RegionRow, format_table, summarise
from brats3d.workflows.evaluation_files import JSON_NAME, versions
from brats3d.workflows.pairing import Pairing
from brats3d.workflows.scoring import in_one_line
from brats3d.workflows.scoring_jobs import Outcome

_MOST_LISTED = 20


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        rows: One row per case and region.
        lesions: One row per lesion.
        summary: Content of ``metrics.json``.
        notes: What the user should know, one sentence each.
        failed: Case id to what is wrong, for cases that are not in the rows; empty when all are.
    """

    rows: tuple[RegionRow, ...]
    lesions: tuple[LesionRow, ...]
    summary: dict[str, Any]
    notes: tuple[str, ...]
    failed: Mapping[str, str]

    def table(self) -> str:
        """Lay out the statistics per region as text."""
        return format_table(self.rows) if self.rows else "no case could be scored"

    def check_complete(self) -> None:
        """Check that no case failed.

        Raises:
            DataError: Some did; the message lists them.
        """
        check_complete(self.failed, done=self.summary["cases"], what="scored", file=JSON_NAME)


def sum_up(
    outcome: Outcome,
    pairing: Pairing,
    *,
    profile: Profile,
    inputs: Mapping[str, Any],
    notes: tuple[str, ...],
) -> Evaluation:
    """Put together what became of all cases.

    Args:
        outcome: What became of the pairs.
        pairing: The pairs, and the cases without a partner.
        profile: Rules of the scores.
        inputs: What was evaluated, for ``metrics.json``.
        notes: What the user should know about the inputs.
    """
    rows = tuple(row for case in outcome.scored.values() for row in case.rows)
    lesions = tuple(lesion for case in outcome.scored.values() for lesion in case.lesions)
    unpaired = {case_id: in_one_line(error) for case_id, error in pairing.failed.items()}
    failed = dict(sorted({**outcome.failed, **unpaired}.items()))
    notes = (*notes, *pairing.notes)
    summary = {
        **summarise(rows, profile=profile),
        "versions": versions(),
        "inputs": inputs,
        "notes": notes,
        "partial": bool(failed),
        "failed": failed,
    }
    if outcome.reused:
        notes += (f"{outcome.reused} of {len(outcome.scored)} cases were scored before and are unchanged",)
    return Evaluation(rows, lesions, summary, notes, failed)


def check_complete(failed: Mapping[str, str], *, done: int, what: str, file: str) -> None:
    """Check that no case failed.

    Args:
        failed: Case id to what is wrong.
        done: How many cases did not fail.
        what: What was done with them, such as ``scored``.
        file: Where all of them are listed.

    Raises:
        DataError: Some did; the message lists them.
    """
    if not failed:
        return
    lines = [f"{case_id}: {message}" for case_id, message in failed.items()]
    more = [f"and {len(lines) - _MOST_LISTED} more, see {file}"] if len(lines) > _MOST_LISTED else []
    first = f"{len(failed)} of {len(failed) + done} cases could not be {what}; the results are partial"
    raise DataError(
        "\n  ".join([first, *lines[:_MOST_LISTED], *more]),
        remedy="mend these cases and run again: what is scored is not computed again",
    )
