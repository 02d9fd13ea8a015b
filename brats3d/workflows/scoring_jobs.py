"""Scoring many pairs, several at a time; a case that fails stops no other."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from brats3d.errors import Brats3dError, ConfigError
from brats3d.metrics import CaseScores
from brats3d.workflows.pairing import Pair
from brats3d.workflows.scored_cases import Digests, ScoredCases, file_digest, volume_digest
from brats3d.workflows.scoring import Scoring, in_one_line


@dataclass(frozen=True)
class Outcome:
    """What became of the pairs, by case id.

    Attributes:
        scored: Scores, in the order of the pairs.
        failed: What is wrong with the others, a line each.
        digests: File contents of those that were scored; empty without a journal.
        reused: How many were scored before.
    """

    scored: Mapping[str, CaseScores]
    failed: Mapping[str, str]
    digests: Mapping[str, Digests]
    reused: int


@dataclass(frozen=True)
class _Done:
    case_id: str
    scores: CaseScores | None = None
    digests: Digests | None = None
    reused: bool = False
    failure: str = ""


def check_jobs(jobs: int) -> None:
    """Check the number of cases scored at a time.

    Raises:
        ConfigError: Less than 1.
    """
    if jobs < 1:
        raise ConfigError("a number of jobs that cannot work", where="jobs", got=jobs, expected="1 or more")


def score_pairs(
    pairs: Sequence[Pair], scoring: Scoring, journal: ScoredCases | None, *, jobs: int, quiet: bool
) -> Outcome:
    """Score pairs, with a bar on standard error.

    Args:
        pairs: What to score.
        scoring: How.
        journal: Cases scored before; a case scored now is added at once. None keeps no journal.
        jobs: Cases scored at a time.
        quiet: Leave out the bar.

    Raises:
        OutputError: The journal cannot be written.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    done: dict[str, _Done] = {}
    with (
        Progress(*columns, console=Console(stderr=True), disable=quiet) as progress,
        closing(_each(pairs, scoring, journal, jobs)) as each,
    ):
        for one in progress.track(each, total=len(pairs), description="evaluate"):
            done[one.case_id] = one
            if journal is not None and one.scores is not None and one.digests and not one.reused:
                journal.add(one.case_id, one.digests, one.scores)
    ordered = [done[pair.case_id] for pair in pairs]
    return Outcome(
        {one.case_id: one.scores for one in ordered if one.scores is not None},
        {one.case_id: one.failure for one in ordered if one.scores is None},
        {one.case_id: one.digests for one in ordered if one.scores is not None and one.digests},
        sum(one.reused for one in ordered),
    )


def _each(
    pairs: Sequence[Pair], scoring: Scoring, journal: ScoredCases | None, jobs: int
) -> Generator[_Done, None, None]:
    """Yield cases as they end; threads suffice, since unpacking and measuring let others run."""
    if jobs == 1:
        for pair in pairs:
            yield _score(pair, scoring, journal)
        return
    pool = ThreadPoolExecutor(min(jobs, max(1, len(pairs))))
    try:
        waiting = [pool.submit(_score, pair, scoring, journal) for pair in pairs]
        for future in as_completed(waiting):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _score(pair: Pair, scoring: Scoring, journal: ScoredCases | None) -> _Done:
    try:
        if journal is None:
            return _Done(pair.case_id, scoring.score(pair))
        prediction = None if pair.prediction is None else file_digest(pair.prediction)
        digests = (prediction, volume_digest(pair.reference))
        known = journal.find(pair.case_id, digests)
        if known is not None:
            return _Done(pair.case_id, known, digests, reused=True)
        return _Done(pair.case_id, scoring.score(pair), digests)
    except Brats3dError as error:
        return _Done(pair.case_id, failure=in_one_line(error))
    except MemoryError:
        return _Done(pair.case_id, failure="not enough memory for this case; free some, or lower jobs")
