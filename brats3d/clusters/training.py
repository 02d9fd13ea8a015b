"""What the options of a training come to, checked before it waits in a queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from brats3d.assembly import split_cases
from brats3d.assembly.settings import check_settings
from brats3d.config import FitConfig, SubmitConfig, parse_arguments, with_absolute_paths
from brats3d.data.sites import sites_of
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
    return training


def fold_count(training: FitConfig) -> int:
    """Number of folds of a training; with ``split.sites`` the cases are looked for, one fold for each site.

    Raises:
        ConfigError: It has none.
        Brats3dError: Sites that cannot be counted: no data set, or a table that does not fit it.
    """
    folds = _site_count(training) if training.split.sites else training.split.folds
    if folds is None or folds < 2:
        raise ConfigError(
            "one job per fold needs folds",
            where="split.folds",
            got=folds,
            expected="2 or more",
            remedy="give the training folds: -- --split.folds 5, or -- --split.sites FILE",
        )
    return folds


def _site_count(training: FitConfig) -> int:
    from brats3d.workflows.training_cases import find_cases

    assert training.split.sites is not None
    cases = find_cases(training).cases
    count = len(set(sites_of(cases, training.split.sites).values()))
    for fold in range(count):  # a test that takes all cases of a site shows now, too
        split_cases(replace(training.split, fold=fold), cases)
    return count


def run_of(training: FitConfig, name: str) -> Path:
    """Absolute folder of a run."""
    return Path(training.folder) / name
