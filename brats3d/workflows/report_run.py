"""The report of one run, or of label maps of any tool."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from brats3d import assembly
from brats3d.config import FitConfig, ReportConfig
from brats3d.reporting import LabelledCase, rank_cases
from brats3d.reporting.page import Fact, Page, Part, Tile, failures_on_page, find_failures
from brats3d.reporting.page.failures import Failure
from brats3d.reporting.page.scores import tiles
from brats3d.workflows.loading import load_segmentation
from brats3d.workflows.report_cases import Read, cases_part, choose_by_score
from brats3d.workflows.report_parts import (
    calibration_parts,
    classifier_part,
    figure_parts,
    judged_parts,
    lesion_parts,
    missed_images,
    score_part,
)
from brats3d.workflows.report_predicted import PredictedCases
from brats3d.workflows.report_scores import Scores
from brats3d.workflows.report_training import rules_part, training_part
from brats3d.workflows.reported_cases import choose_cases, find_chosen, reported_case
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.training_cases import find_cases

_ALL = (str(10**9),)
_TASKS = {"segment": "segmentation", "classify": "classification"}


@dataclass(frozen=True)
class Subject:
    """What a report is about.

    Attributes:
        run: A run, or None.
        scores: Scores of its held-out cases, or of the label maps that are reported on.
        predicted: These label maps; None where the run itself predicts what is shown.
        split: Part of the split that is shown, or None.
        chosen: Case ids that are shown, and what they are.
    """

    run: RunFolder | None
    scores: Scores
    predicted: PredictedCases | None = None
    split: str | None = None
    chosen: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Name of the run, or of the folder of label maps, and what it is."""
        if self.run is None:
            return f"Label maps in {Path(self.scores.summary['inputs']['predictions']).name}"
        return f"{self.run.path.absolute().name}: {_TASKS[self.run.config().task]}"


def choose_of_run(run: RunFolder, scores: Scores, config: ReportConfig) -> tuple[str | None, dict[str, str]]:
    """Choose held-out cases of a run.

    Returns:
        Part of the split, and case ids with what they are.

    Raises:
        Brats3dError: A part or case that the run has not.
    """
    split, _ = choose_cases(run.split(), config.split, config.cases)
    _, ids = choose_cases(run.split(), config.split, _ALL)
    ranked = rank_cases(scores.rows, scores.lesions)
    return split, choose_by_score(ids, ranked, config.cases)


def predicted_subject(
    run: RunFolder | None, scores: Scores, predicted: PredictedCases, config: ReportConfig
) -> Subject:
    """Report on label maps: their calibration, where probabilities lie beside them, and chosen cases.

    Raises:
        ConfigError: A case that is not among them.
    """
    known = dict.fromkeys(row.case_id for row in scores.rows)
    ids = [case_id for case_id in known if case_id in predicted.predictions.paths]
    ranked = rank_cases(scores.rows, scores.lesions, scores.failed)
    chosen = choose_by_score(ids, ranked, config.cases)
    return Subject(run, replace(scores, calibration=predicted.calibration()), predicted, None, chosen)


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


def reproduction_part(subject: Subject, config: ReportConfig, settings: FitConfig | None) -> Part:
    """The commands that lead to this page, and to predictions."""
    commands: list[Fact] = []
    words = ["brats3d", "report"]
    if subject.run is not None:
        assert settings is not None
        path = str(subject.run.path)
        again = f"brats3d fit --config {shlex.quote(f'{path}/config.yaml')} --name NAME"
        commands.append(("Train it again, with all settings, on the same data:", again))
        if settings.task != assembly.CLASSIFY:
            predict = f"brats3d predict --run {shlex.quote(path)} --input NEW_CASES"
            commands.append(("Predict new cases:", predict))
        words.append(shlex.quote(path))
    if subject.predicted is not None:
        for name in ("predictions", "references"):
            words.append(f"--{name} {shlex.quote(str(getattr(config, name)))}")
    if config.cases != ReportConfig().cases:
        words.append(f"--cases {shlex.quote(','.join(config.cases))}")
    commands.append(("Write this page again:", " ".join([*words, "--overwrite"])))
    return Part(
        "reproduce",
        "How to reproduce",
        commands=commands,
    )
