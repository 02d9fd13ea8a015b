"""What the options of a training come to, checked before it waits in a queue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from brats3d.assembly.settings import check_settings
from brats3d.config import FitConfig, SubmitConfig, parse_arguments, with_absolute_paths
from brats3d.errors import ConfigError


def check_training(config: SubmitConfig, words: Sequence[str]) -> FitConfig:
    """Read the options as ``fit`` will, so that a mistake shows now and not after hours in a queue.

    Args:
        config: Machines and GPUs.
        words: Complete options of ``fit``.

    Raises:
        ConfigError: An option that ``fit`` would refuse, or that contradicts the job's machines and GPUs.
    """
    training = with_absolute_paths(parse_arguments(FitConfig, words, "brats3d fit"))
    check_settings(training)
    places = {"num_nodes": config.nodes, "devices": max(1, config.gpus_per_node)}
    for key, wanted in places.items():
        got = getattr(training.trainer, key)
        if str(got) != str(wanted):
            raise ConfigError(
                "the training does not fit the job",
                where=f"trainer.{key}",
                got=got,
                expected=wanted,
                remedy="leave it out; --nodes and --gpus_per_node say it",
            )
    folds = training.split.folds
    if config.array and (folds is None or folds < 2):
        raise ConfigError(
            "one job per fold needs folds",
            where="split.folds",
            got=folds,
            expected="2 or more",
            remedy="give the training folds: -- --split.folds 5",
        )
    return training


def run_of(training: FitConfig, name: str) -> Path:
    """Absolute folder of a run."""
    return Path(training.folder) / name
