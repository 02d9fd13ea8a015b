"""Work shared out among processes that a launcher (torchrun, srun) has started."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from brats3d.errors import ConfigError

Item = TypeVar("Item")

TORCH_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
"""Variables of torchrun: number of the process, of how many, and its number on this machine."""
_SLURM_NAMES = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")


@dataclass(frozen=True)
class Share:
    """Which part of the work is this process's.

    Attributes:
        rank: Number of this process, from 0.
        processes: How many there are, on all machines.
        local_rank: Number of this process on its machine, from 0.
    """

    rank: int
    processes: int
    local_rank: int

    def of(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return every ``processes``-th item from ``rank``: each item is in exactly one share."""
        return items[self.rank :: self.processes]


def launched_share(environment: Mapping[str, str] = os.environ) -> Share | None:
    """Share of this process, as the launcher's environment variables say; None without a launcher.

    They are RANK, WORLD_SIZE and LOCAL_RANK (torchrun), or else those that srun gives to the tasks of
    a step. A batch script has Slurm's variables, too, without being one of several tasks: that it
    belongs to a step is what tells a task.

    Raises:
        ConfigError: Variables that are missing or contradict each other.
    """
    if any(name in environment for name in TORCH_NAMES[:2]):
        return _share(environment, *TORCH_NAMES)
    if "SLURM_STEP_ID" in environment and "SLURM_PROCID" in environment:
        rank, processes, local_rank = _SLURM_NAMES
        return _share(
            environment, rank, processes if processes in environment else "SLURM_NTASKS", local_rank
        )
    return None


def _share(environment: Mapping[str, str], rank: str, processes: str, local_rank: str) -> Share:
    given = {name: environment[name] for name in (rank, processes, local_rank) if name in environment}
    missing = [name for name in (rank, processes) if name not in given]
    whole = all(value.isdecimal() for value in given.values())
    if missing or not whole or not int(given[rank]) < int(given[processes]):
        raise ConfigError(
            f"{' and '.join(missing)} not set" if missing else "processes that cannot be numbered so",
            where="environment variables",
            got=", ".join(f"{name}={value}" for name, value in given.items()),
            expected=f"{rank} from 0 and below {processes}, both set by a launcher",
            remedy=f"start the processes with torchrun or srun, or unset {' and '.join(given)}; "
            "--devices N starts processes on this machine by itself",
        )
    return Share(int(given[rank]), int(given[processes]), int(given.get(local_rank, given[rank])))
