"""Words of the command line that are the training's, and what they come to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from brats3d.assembly.settings import check_settings
from brats3d.config import FitConfig, SubmitConfig, parse_arguments, recipe_path, with_absolute_paths
from brats3d.errors import ConfigError

_OPTION = "--config"
_THE_SCRIPTS = ("--name", "--resume", "--extend")


def parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part the words into those of ``submit`` and those of ``fit``.

    Args:
        words: Words after the verb.

    Returns:
        What is before a ``--``, but for ``--config``; that option and what is after it.

    Raises:
        ConfigError: ``--config`` without a file.
    """
    end = list(words).index("--") if "--" in words else len(words)
    files, own = _taken(words[:end])
    return own, [*(word for file in files for word in (_OPTION, file)), *words[end + 1 :]]


def training_words(config: SubmitConfig, given: Sequence[str]) -> list[str]:
    """Complete options of ``fit``, but for the name of the run; files are named by absolute paths.

    Args:
        config: Machines and GPUs.
        given: The user's words.

    Raises:
        ConfigError: A word that only the script may say, or a file that does not exist.
    """
    for word in given:
        if word.partition("=")[0] in _THE_SCRIPTS:
            raise ConfigError(
                "the script itself says how a run is named and resumed",
                where="options after --",
                got=word,
                remedy="leave it out; `submit --name NAME` names the run",
            )
    processes = max(1, config.gpus_per_node)
    placed = ["--trainer.num_nodes", str(config.nodes), "--trainer.devices", str(processes)]
    placed += ["--trainer.accelerator", "gpu" if config.gpus_per_node else "cpu"]
    placed += ["--trainer.strategy", "ddp"] if config.nodes * processes > 1 else []
    files, others = _taken(given)
    # What a file says about machines and GPUs does not hold here.
    return [*(word for file in files for word in (_OPTION, _absolute(file))), *placed, *others]


def _taken(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Values of ``--config``, and the other words."""
    waiting, files, others = list(words), list[str](), list[str]()
    while waiting:
        word = waiting.pop(0)
        option, joined, value = word.partition("=")
        if option != _OPTION:
            others.append(word)
        elif joined or waiting:
            files.append(value if joined else waiting.pop(0))
        else:
            raise ConfigError("an option without a value", where=_OPTION, expected="a YAML file")
    return files, others


def _absolute(file: str) -> str:
    return os.path.abspath(recipe_path(file))


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
