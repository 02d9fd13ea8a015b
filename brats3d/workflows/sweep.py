"""Sweep: train every combination of settings, and lay out the scores of the runs in one table."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brats3d import assembly
from brats3d.config import SweepConfig
from brats3d.errors import ConfigError
from brats3d.files import write_text
from brats3d.workflows.folds import is_finished, run_of, train_fold
from brats3d.workflows.sweep_report import VariantScores, format_variants, read_scores, variants_csv
from brats3d.workflows.training_cases import find_cases
from brats3d.workflows.variants import Variant, variants_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SweepResult:
    """What a sweep gave.

    Attributes:
        folder: Folder of its table; the runs lie beside it.
        scores: Scores of the runs, in the order of the grid.
        table: The main scores as text.
    """

    folder: Path
    scores: tuple[VariantScores, ...]
    table: str


def sweep(config: SweepConfig) -> SweepResult:
    """Train the combinations that are not finished, and keep one table of all scores.

    The table is written anew after each run, so that what is finished can be read.

    Args:
        config: The training, and the values that its settings take. Called again with the same options,
            or with more values, it leaves alone what is finished and goes on where it was interrupted.

    Returns:
        Scores of all runs.

    Raises:
        Brats3dError: Anything the user can mend: data, configuration, runs with other settings.
    """
    variants = variants_of(config)
    waiting = [variant for variant in variants if not is_finished(variant.config)]
    for variant in waiting:
        _check(variant)
    folder = Path(variants[0].config.folder) / str(config.name)
    for place, variant in enumerate(waiting, start=1):
        logger.info("%s: run %d of %d", variant.config.name, place, len(waiting))
        train_fold(variant.config)
        _write(folder, variants)
    return _write(folder, variants)


def _check(variant: Variant) -> None:
    """Build what a run would build, so that a value that cannot work shows now, not after hours.

    Raises:
        Brats3dError: A setting or the data.
    """
    config = variant.config
    if config.task == assembly.CLASSIFY:
        raise ConfigError(
            "runs are compared by the Dice of their segmentations",
            where="task",
            got=config.task,
            remedy="train classifiers one by one, with `brats3d fit`",
        )
    assembly.check_settings(config)
    found = find_cases(config)
    machine = assembly.hardware(config.trainer.accelerator, config.trainer.precision)
    clock = assembly.build_clock(config, time.monotonic())
    assembly.build_module(config, found.convention, machine, clock)
    assembly.build_augmentation(config)
    assembly.build_preprocessing(config)


def _write(folder: Path, variants: Sequence[Variant]) -> SweepResult:
    runs = [(variant.settings, run_of(variant.config)) for variant in variants]
    scores = [read_scores(settings, run) for settings, run in runs if run.metrics_json.is_file()]
    table = format_variants(scores)
    write_text(folder / "sweep.csv", variants_csv(scores))
    write_text(folder / "sweep.txt", table + "\n")
    return SweepResult(folder, tuple(scores), table)
