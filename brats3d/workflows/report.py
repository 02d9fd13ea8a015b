"""The report of a run, of label maps of any tool, or of several compared: one page, figures, tables."""

from __future__ import annotations

import logging
from pathlib import Path

from brats3d import assembly
from brats3d.config import ReportConfig
from brats3d.errors import ConfigError
from brats3d.reporting import files_in_index
from brats3d.reporting.page import failures_as_table
from brats3d.reporting.table import write_table
from brats3d.workflows.report_files import check_replaceable, other_files, write_page
from brats3d.workflows.report_predicted import find_predicted_cases
from brats3d.workflows.report_run import run_page
from brats3d.workflows.report_scores import chosen_settings, scores_of_predictions, scores_of_run
from brats3d.workflows.report_subject import Subject, choose_of_run, predicted_subject
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.staging import staged
from brats3d.workflows.training_curves import REPORT

logger = logging.getLogger(__name__)

PAGE = "report.html"
FAILURES = "failures.csv"


def report(config: ReportConfig) -> Path:
    """Write the report that is asked for.

    Args:
        config: A run, label maps with their references, or several to compare; and the output.

    Returns:
        The page; figures, tables and ``index.json`` lie beside it.

    Raises:
        Brats3dError: Anything the user can mend: the run, its cases, the output folder.
    """
    if config.compare:
        from brats3d.workflows.report_compare import report_comparison

        return report_comparison(config)
    return report_one(config)


def report_one(config: ReportConfig, *, by_training: bool = False) -> Path:
    """Write the report of a run, or of label maps.

    Args:
        config: What is asked for.
        by_training: Whether the training of the run asks, whose report the user's own replaces.
    """
    _check(config)
    run = RunFolder.open(config.run) if config.run is not None else None
    output = _output(config, run)
    check_replaceable(output, PAGE, overwrite=config.overwrite or by_training)
    with staged(output, remove=[*files_in_index(output), *other_files(output)]) as folder:
        subject = _subject(config, run, folder, output)
        page, failures = run_page(subject, config, folder)
        tables = subject.scores.write(folder)
        if failures:
            write_table(folder / FAILURES, failures_as_table(failures))
            tables.append(FAILURES)
        about = {
            "run": None if run is None else run.path.name,
            "checkpoint": _checkpoint(config, run, subject),
            "split": subject.split,
            "cases": list(subject.chosen),
            "by_training": by_training,
        }
        write_page(folder, PAGE, page, tables, about)
    return output / PAGE


def _check(config: ReportConfig) -> None:
    if config.run is None and config.predictions is None:
        raise ConfigError(
            "no run to report on",
            where="run",
            remedy="name a run folder: runs/NAME; or --predictions DIR --references DIR",
        )
    if (config.predictions is None) != (config.references is None):
        given = "predictions" if config.references is None else "references"
        raise ConfigError(
            "label maps are reported on with their references",
            where=given,
            remedy="pass both --predictions and --references",
        )


def _output(config: ReportConfig, run: RunFolder | None) -> Path:
    if config.output is not None:
        return Path(config.output)
    if config.predictions is None:
        assert run is not None
        return run.path / REPORT
    predictions = Path(config.predictions)
    return (predictions if predictions.is_dir() else predictions.parent) / REPORT


def _subject(config: ReportConfig, run: RunFolder | None, folder: Path, output: Path) -> Subject:
    if config.predictions is not None:
        assert config.references is not None
        scores = scores_of_predictions(config, folder, output)
        place = Path(config.predictions)
        settings = chosen_settings(config, place if place.is_dir() else place.parent)
        predicted = find_predicted_cases(config.predictions, config.references, settings)
        return predicted_subject(run, scores, predicted, config)
    assert run is not None
    if run.config().task == assembly.CLASSIFY:
        return Subject(run, scores_of_run(run))
    scores = scores_of_run(run)
    split, chosen = choose_of_run(run, scores, config)
    return Subject(run, scores, split=split, chosen=chosen)


def _checkpoint(config: ReportConfig, run: RunFolder | None, subject: Subject) -> str | None:
    if run is None or subject.predicted is not None or not subject.chosen:
        return None
    return run.checkpoint(config.checkpoint).name
