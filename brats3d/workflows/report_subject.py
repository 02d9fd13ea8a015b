"""What a report is about, and which of its cases are shown."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from brats3d import assembly
from brats3d.config import EvaluateConfig, FitConfig, ReportConfig, to_plain
from brats3d.reporting import rank_cases
from brats3d.reporting.page import Fact, Part
from brats3d.workflows.report_cases import choose_by_score
from brats3d.workflows.report_predicted import PredictedCases
from brats3d.workflows.report_scores import Scores
from brats3d.workflows.reported_cases import choose_cases
from brats3d.workflows.runs import RunFolder

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
        Brats3dError: A part, case or checkpoint that the run has not.
    """
    split, _ = choose_cases(run.split(), config.split, config.cases)
    _, ids = choose_cases(run.split(), config.split, _ALL)
    chosen = choose_by_score(ids, rank_cases(scores.rows, scores.lesions), config.cases)
    if chosen:
        run.checkpoint(config.checkpoint)  # that there is none shows now, not after all figures
    return split, chosen


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
    words += scoring_words(config)
    commands.append(("Write this page again:", " ".join([*words, "--overwrite"])))
    return Part(
        "reproduce",
        "How to reproduce",
        commands=commands,
    )


def scoring_words(config: ReportConfig) -> list[str]:
    """Options of the command line that say how label maps are scored, as far as that is not the default."""
    chosen, default = to_plain(config.scoring), to_plain(EvaluateConfig())
    return [
        f"--scoring.{name} {shlex.quote(value if isinstance(value, str) else json.dumps(value))}"
        for name, value in chosen.items()
        if value != default[name]
    ]
