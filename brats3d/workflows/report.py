"""Figures of a run: its training, its held-out cases, its scores."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from brats3d import assembly
from brats3d.cases import Case
from brats3d.config import ReportConfig
from brats3d.errors import ConfigError, OutputError
from brats3d.metrics import read_metrics_csv
from brats3d.reporting import (
    INDEX,
    Drawing,
    FigureEntry,
    count_confusion,
    draw_confusion,
    draw_curves,
    draw_dice,
    draw_overview,
    draw_planes,
    files_in_index,
    read_training_log,
    write_index,
)
from brats3d.workflows.loading import load_segmentation
from brats3d.workflows.messages import progress_over
from brats3d.workflows.reported_cases import choose_cases, find_chosen, reported_case
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.staging import staged
from brats3d.workflows.training_cases import find_cases
from brats3d.workflows.training_curves import FIGURES, log_folder

logger = logging.getLogger(__name__)


def report(config: ReportConfig) -> Path:
    """Draw the figures of a run.

    Args:
        config: Run, cases and output.

    Returns:
        The index of the figures, ``index.json``; they lie beside it.

    Raises:
        Brats3dError: Anything the user can mend: the run, its cases, the output folder.
    """
    if config.run is None:
        raise ConfigError("no run to report on", where="run", remedy="name a run folder: runs/NAME")
    run = RunFolder.open(config.run)
    output = Path(config.output) if config.output is not None else run.path / FIGURES
    if (output / INDEX).exists() and not config.overwrite:
        raise OutputError(
            "there is a report already",
            where=output / INDEX,
            remedy="pass --overwrite, or choose another --output",
        )
    split, ids = choose_cases(run.split(), config.split, config.cases)
    if run.config().task == assembly.CLASSIFY:
        logger.info("the run is one of a classifier: its curves are all there is to draw")
        split, ids = None, ()
    checkpoint = run.checkpoint(config.checkpoint).name if ids else None
    stale = files_in_index(output)
    with staged(output, remove=stale) as folder:
        entries = [drawing.save(folder) for drawing in _of_training(run)]
        if ids:
            cases = find_chosen(find_cases(run.config()).cases, ids)
            entries += _save_cases(run, cases, config, folder)
        about = {"run": run.path.name, "checkpoint": checkpoint, "split": split, "cases": list(ids)}
        write_index(folder, entries, about)
    return output / INDEX


def _of_training(run: RunFolder) -> Iterator[Drawing]:
    yield draw_curves(read_training_log(log_folder(run.path)), f"Training of {run.path.name}")
    if run.metrics_csv.exists() and (rows := read_metrics_csv(run.metrics_csv)):
        yield draw_dice(rows)


def _save_cases(
    run: RunFolder, cases: Sequence[Case], config: ReportConfig, folder: Path
) -> list[FigureEntry]:
    """Predict and draw case by case, so that memory holds but one."""
    segmentation = load_segmentation([run], checkpoint=config.checkpoint, accelerator=config.accelerator)
    names = run.convention().class_names
    matrix = np.zeros((len(names), len(names)), dtype=np.int64)
    entries = []
    for case in progress_over(cases, "drawing"):
        shown = reported_case(case, segmentation)
        matrix += count_confusion(shown.reference, shown.prediction, len(names))
        entries += [draw(shown).save(folder) for draw in (draw_overview, draw_planes)]
        logger.info("drew %s", case.case_id)
    return [draw_confusion(matrix, names, len(cases)).save(folder), *entries]
