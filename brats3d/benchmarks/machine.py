"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil


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
        _processor(),
        os.cpu_count() or 1,
        psutil.virtual_memory().total / 2**30,
        platform.platform(),
        psutil.getloadavg()[0],
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
