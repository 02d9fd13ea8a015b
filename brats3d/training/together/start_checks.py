"""What the processes of a training must have in common, compared before the first step."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from brats3d.config import PatchConfig
from brats3d.errors import ConfigError, DataError, RunError
from brats3d.training.together.ranks import Rank
from brats3d.version import __version__

NFS_DELAY_S = 60.0
"""How long a machine may go on believing that a file that another one has written is not there."""
_LOOK_EVERY_S = 0.5
_VERSIONED = ("torch", "monai", "pytorch-lightning", "numpy", "scipy")


def versions() -> dict[str, str]:
    """Versions of what computes, by name."""
    python = ".".join(platform.python_version_tuple()[:2])
    packages = {name: metadata.version(name) for name in _VERSIONED}
    return {"brats3d": __version__, "Python": python, **packages}


def check_batches(patch: PatchConfig, processes: int) -> None:
    """Check that each process has a batch in each epoch.

    Raises:
        ConfigError: Fewer patches in an epoch than one batch on each process.
    """
    needed = patch.batch_size * processes
    if patch.per_epoch < needed:
        raise ConfigError(
            "an epoch is shorter than one batch on each process",
            where="patch.per_epoch",
            got=patch.per_epoch,
            expected=f"{needed} or more ({processes} processes x patch.batch_size {patch.batch_size})",
            remedy="raise patch.per_epoch, or use smaller batches or fewer processes",
        )


def check_same_versions(own: Mapping[str, str], leading: Mapping[str, str], rank: Rank) -> None:
    """Check that a process runs the code that the leading one runs.

    Raises:
        RunError: It does not.
    """
    differing = {name: (own.get(name), leading.get(name)) for name in {**leading, **own}}
    differing = {name: pair for name, pair in differing.items() if pair[0] != pair[1]}
    if differing:
        raise RunError(
            "the processes of the training run different code",
            where=rank,
            got=", ".join(f"{name} {pair[0]}" for name, pair in differing.items()),
            expected=", ".join(f"{name} {pair[1]}" for name, pair in differing.items()) + ", as rank 0 has",
            remedy="use the same environment on all machines",
        )


def check_same_settings(own: Mapping[str, Any], leading: Mapping[str, Any], rank: Rank) -> None:
    """Check that a process was given the settings that the leading one was given.

    Args:
        own: Dotted key to value.
        leading: The same of the leading process.
        rank: This process.

    Raises:
        ConfigError: They differ; the first key that does is named.
    """
    plain = json.loads(json.dumps(own, default=str))
    for key in {**leading, **plain}:
        if plain.get(key) != leading.get(key):
            raise ConfigError(
                "the processes of the training have different settings",
                where=f"{key}, of {rank}",
                got=plain.get(key),
                expected=f"{leading.get(key)}, as rank 0 has",
                remedy="start all processes with the same options and the same configuration file",
            )


def check_same_cases(
    own: Mapping[str, Sequence[str]], leading: Mapping[str, Sequence[str]], rank: Rank
) -> None:
    """Check that a process has the cases of the leading one, with the same content.

    Args:
        own: Name of a part of the split to its cases, each named with a hash of its content.
        leading: The same of the leading process.
        rank: This process.

    Raises:
        DataError: They differ; the first case that does is named.
    """
    for part, expected in leading.items():
        found = own[part]
        if list(found) == list(expected):
            continue
        more, fewer = sorted(set(found) - set(expected)), sorted(set(expected) - set(found))
        raise DataError(
            "the processes of the training have different data",
            where=f"{part} cases of {rank}",
            got=_described(found, more),
            expected=_described(expected, fewer) + ", as rank 0 has",
            remedy="give all machines the same data set (files and their content) and the same split",
        )


def _described(cases: Sequence[str], alone: Sequence[str]) -> str:
    return f"{len(cases)} cases" + (f", among them {alone[0]}" if alone else " in another order")


def check_same_folder(folder: Path, token: str, rank: Rank, patience_s: float = NFS_DELAY_S) -> None:
    """Check that a process sees what the leading one has just written.

    Args:
        folder: Folder of the run.
        token: Name of the file that was written there.
        rank: This process.
        patience_s: How long to look; network file systems tell of new files with some delay.

    Raises:
        RunError: It is not there.
    """
    latest = time.monotonic() + patience_s
    while not _sees(folder, token):
        if time.monotonic() > latest:
            raise RunError(
                "a machine does not see the folder of the run",
                where=f"{folder}, from {rank}",
                got="another folder of that name" if folder.is_dir() else "no such folder",
                expected="what rank 0 has just written there",
                remedy="put the runs on a file system that all machines share (--folder)",
            )
        time.sleep(_LOOK_EVERY_S)


def _sees(folder: Path, token: str) -> bool:
    for place in (folder.parent, folder):
        try:
            os.listdir(place)  # has network file systems ask for news
        except OSError:
            return False
    return (folder / token).exists()
