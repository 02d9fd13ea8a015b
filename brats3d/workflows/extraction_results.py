"""Features case by case on their way to the table, and what is counted of them."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brats3d.errors import Brats3dError, DataError
from brats3d.features import FeatureRow
from brats3d.workflows.extraction_case import CaseResult, Extractor
from brats3d.workflows.extraction_inputs import Inputs, MaskedCase
from brats3d.workflows.messages import progress_over
from brats3d.workflows.scoring import in_one_line

_MOST_LISTED = 20


@dataclass(frozen=True)
class Extraction:
    """What was extracted.

    Attributes:
        table: The CSV file.
        record: Content of the JSON file beside it.
        notes: What the user should know, one sentence each.
        failed: Case id to what is wrong, for cases that are not in the table.
    """

    table: Path
    record: Mapping[str, Any]
    notes: tuple[str, ...]
    failed: Mapping[str, str]

    def summary_line(self) -> str:
        """Say what is in the table."""
        blank = sum(self.record["blank"].values())
        return f"{self.table}: {self.record['values']} values of {self.record['cases']} cases, {blank} blank"

    def check_complete(self) -> None:
        """Check that no case failed.

        Raises:
            DataError: Some did; the message lists them.
        """
        if self.failed:
            raise _failed(self.failed, self.record["cases"])


class Collected:
    """What is counted while rows pass by on their way to the table."""

    def __init__(self, inputs: Inputs) -> None:
        self.cases = self.values = 0
        self.blank: Counter[str] = Counter()
        self.notes: list[str] = []
        self.failed = {case_id: in_one_line(error) for case_id, error in inputs.failed.items()}

    def of(self, results: Iterator[CaseResult]) -> Iterator[tuple[str, Sequence[FeatureRow]]]:
        """Pass on the rows of cases that worked.

        Raises:
            DataError: None did.
        """
        for result in results:
            if result.features is None:
                self.failed[result.case_id] = result.failure
                continue
            rows = result.features.rows
            self.cases += 1
            reasons = [row.reason for row in rows if row.reason]
            self.values += len(rows) - len(reasons)
            self.blank.update(reasons)
            self.notes += [f"{result.case_id}: {note}" for note in result.features.notes]
            yield result.case_id, rows
        if not self.cases:
            raise _failed(self.failed, 0)


def each_case(cases: Sequence[MaskedCase], extractor: Extractor, jobs: int) -> Iterator[CaseResult]:
    """Extract case by case, in their order, with a bar on standard error."""
    if jobs == 1:
        yield from map(extractor, progress_over(cases, "extracting"))
        return
    # Not forked: threads of numerical libraries do not survive that.
    pool = ProcessPoolExecutor(min(jobs, len(cases)), multiprocessing.get_context("spawn"))
    try:
        results = pool.map(extractor, cases)
        for _ in progress_over(cases, "extracting"):
            yield next(results)
    except BrokenProcessPool as error:
        raise Brats3dError(
            "a process that extracted features was ended from outside",
            where="jobs",
            got=f"{jobs} at a time",
            remedy="lower jobs: the machine may not have enough memory for so many",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _failed(failed: Mapping[str, str], done: int) -> DataError:
    lines = [f"{case_id}: {message}" for case_id, message in failed.items()]
    more = [f"and {len(lines) - _MOST_LISTED} more"] if len(lines) > _MOST_LISTED else []
    first = f"features of {len(failed)} of {len(failed) + done} cases could not be extracted"
    return DataError(
        "\n  ".join([first, *lines[:_MOST_LISTED], *more]), remedy="mend these cases and run again"
    )
