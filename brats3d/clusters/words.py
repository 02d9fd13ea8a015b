"""Words of the command line that are the training's."""

from __future__ import annotations

import os
from collections.abc import Sequence

from brats3d.config import SubmitConfig, recipe_path
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
