"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from brats3d.assembly.hardware import processor_name
from brats3d.errors import ConfigError


@dataclass(frozen=True)
class Machine:
    """Hardware and system, and how busy they were.

    Attributes:
        processor: Name of the processor.
        cores: Logical cores.
        memory_gib: Main memory.
        system: Operating system.
        load: Processes that wanted to run, averaged over the minute before; NaN where unknown.
    """

    processor: str
    cores: int
    memory_gib: float
    system: str
    load: float

    def __str__(self) -> str:
        """Say everything in one line."""
        hardware = f"{self.processor}, {self.cores} cores, {self.memory_gib:.1f} GiB"
        return f"{hardware}, {self.system}; load in the minute before: {self.load:.1f}"

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON content."""
        return asdict(self)


def this_machine() -> Machine:
    """Describe the machine and its load now."""
    return Machine(
        processor_name(),
        os.cpu_count() or 1,
        psutil.virtual_memory().total / 2**30,
        platform.platform(),
        psutil.getloadavg()[0],
    )


def threads_of(configured: int | None) -> int:
    """Threads that a contender gets which may use the whole machine: as configured, or one for each core.

    Raises:
        ConfigError: Not a positive number.
    """
    if configured is not None and configured < 1:
        raise ConfigError("no thread to compute with", where="threads", got=configured, expected="1 or more")
    return configured or os.cpu_count() or 1
