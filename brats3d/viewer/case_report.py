"""The page of a case that was segmented, to be kept: one file that opens without a network."""

from __future__ import annotations

from pathlib import Path

from brats3d.files import write_text
from brats3d.reporting.case_page import render_case_page
from brats3d.viewer.results import Result
from brats3d.viewer.sentences import alert


def case_report(result: Result) -> Path:
    """Return the HTML file; it is written if it is not there.

    Raises:
        DataError: A file of the case is gone.
    """
    outcome, thresholds = result.outcome, dict(result.thresholds)

    def write(path: Path) -> None:
        page = render_case_page(
            result.reported_case(),
            model=outcome.model.title,
            notes=_notes(result),
            settings={f"threshold of {region}": f"{value:g}" for region, value in thresholds.items()},
            thresholds=thresholds,
            alert=alert(outcome.model.convention, outcome.gate, thresholds),
        )
        write_text(path, page)

    return outcome.files.get("report", tuple(thresholds.items()), "html", write)


def _notes(result: Result) -> list[str]:
    outcome = result.outcome
    problem = outcome.reference_problem
    others = [f"The reference was not used: {problem}."] if problem else []
    return [*outcome.model.rules.notes, *others]
