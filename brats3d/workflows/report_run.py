"""The report of one run, or of label maps of any tool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brats3d import assembly
from brats3d.config import FitConfig, ReportConfig
from brats3d.reporting import LabelledCase
from brats3d.reporting.page import Page, Part, Tile, failures_on_page, find_failures
from brats3d.reporting.page.failures import Failure
from brats3d.reporting.page.scores import tiles
from brats3d.workflows.loading import load_segmentation
from brats3d.workflows.report_cases import Read, cases_part
from brats3d.workflows.report_classifier import classifier_part, judged_parts, missed_images
from brats3d.workflows.report_parts import calibration_parts, figure_parts, lesion_parts, score_part
from brats3d.workflows.report_subject import Subject, reproduction_part
from brats3d.workflows.report_training import rules_part, training_part
from brats3d.workflows.reported_cases import find_chosen, reported_case
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.training_cases import find_cases


def reader_of_run(run: RunFolder, ids: Sequence[str], config: ReportConfig) -> Read:
    """Have the run predict cases, one after the other.

    Raises:
        Brats3dError: A case that is gone, or a run without a checkpoint.
    """
    cases = {case.case_id: case for case in find_chosen(find_cases(run.config()).cases, ids)}
    segmentation = load_segmentation([run], checkpoint=config.checkpoint, accelerator=config.accelerator)

    def read(case_id: str) -> LabelledCase:
        return reported_case(cases[case_id], segmentation)

    return read


def run_page(subject: Subject, config: ReportConfig, folder: Path) -> tuple[Page, list[Failure]]:
    """Draw the figures and put the page together.

    Args:
        subject: What it is about.
        config: What is asked for.
        folder: Where the files of the figures go.

    Returns:
        The page, and what went wrong with the cases.

    Raises:
        Brats3dError: Anything the user can mend: the run, its cases, the output folder.
    """
    run = subject.run
    settings = run.config() if run is not None else None
    first = [training_part(run, folder)] if run is not None else []
    if run is not None and settings is not None and settings.task == assembly.CLASSIFY:
        found = _of_classifier(run, folder)
    else:
        found = _of_segmentation(subject, config, settings, folder)
    failures = failures_on_page(found.failures, found.cases) if found.cases or found.failures else None
    parts = [*first, *found.parts, reproduction_part(subject, config, settings)]
    page = Page(subject.title, _subtitle(subject), parts, found.tiles, failures)
    return page, found.failures


@dataclass(frozen=True)
class _Found:
    """What there is to say of scores and cases."""

    parts: list[Part]
    tiles: list[Tile]
    failures: list[Failure]
    cases: int


def _of_classifier(run: RunFolder, folder: Path) -> _Found:
    top, part = classifier_part(run, folder)
    cases = sum(own["cases"] for own in judged_parts(run).values())
    return _Found([part], top, missed_images(run), cases)


def _of_segmentation(
    subject: Subject, config: ReportConfig, settings: FitConfig | None, folder: Path
) -> _Found:
    scores = subject.scores
    parts = [score_part(scores), *figure_parts(scores, folder)]
    unreadable: dict[str, str] = {}
    if subject.chosen:
        part, unreadable = cases_part(subject.chosen, _reader(subject, config), scores.rows, folder)
        parts.append(part)
    parts += [*lesion_parts(scores, folder), *calibration_parts(scores, folder)]
    if settings is not None and subject.predicted is None:
        parts.append(rules_part(settings, scores.summary))
    return _Found(
        parts,
        tiles(scores.summary) if scores.rows else [],
        find_failures(scores.rows, scores.failed, unreadable),
        len({row.case_id for row in scores.rows}),
    )


def _reader(subject: Subject, config: ReportConfig) -> Read:
    if subject.predicted is not None:
        return subject.predicted.read
    assert subject.run is not None
    return reader_of_run(subject.run, list(subject.chosen), config)


def _subtitle(subject: Subject) -> str:
    words = []
    if subject.run is not None:
        split = subject.run.split()
        words.append(
            f"{len(split.train)} training, {len(split.val)} validation and {len(split.test)} test cases"
        )
    count = len({row.case_id for row in subject.scores.rows})
    if count:
        whose = subject.scores.summary.get("split") if subject.predicted is None else None
        words.append(f"scores of {count} {f'{whose} ' if whose else ''}{'case' if count == 1 else 'cases'}")
    if subject.predicted is not None:
        words.append(f"label maps of {subject.scores.summary['inputs']['predictions']}")
    return "; ".join(words)
