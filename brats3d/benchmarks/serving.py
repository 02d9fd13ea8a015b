"""What a benchmark's process says and answers; needs nothing but Python, since other tools' Pythons run it.

The first line that a process writes describes the contender after one run that is not measured; then
every line that it reads is answered by the time of a run. All lines are JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

Scores = dict[str, dict[str, float]]
Ready = tuple[Callable[[], Any], Callable[[Any], Scores]]
"""The work to be timed, and how what it found is read from what it returns."""


@dataclass(frozen=True)
class Contender:
    """A tool, or a way of using one, that is measured.

    Attributes:
        says: What it computes, one line.
        packages: Distributions that it needs, the one that is measured first.
        prepare: From what the process was given to what a user has at hand before the work, and the work.
    """

    says: str
    packages: tuple[str, ...]
    prepare: Callable[[Any], Ready]


def serve(contender: Contender, load: Callable[[], Any]) -> None:
    """Tell about a contender on what ``load`` gives, then answer every line with the time of a run."""
    # What a package prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(content: dict[str, Any]) -> None:
        print(json.dumps(content), file=answers, flush=True)

    try:
        versions = {package: metadata.version(package) for package in contender.packages}
    except metadata.PackageNotFoundError as error:
        answer({"missing": error.name})
        return
    work, read = contender.prepare(load())
    before_mib = _memory_mib("VmRSS")
    with contextlib.suppress(OSError):  # where the peak cannot be reset it holds that of the loading, too
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    scores = read(work())
    peak_mib = _memory_mib("VmHWM")
    answer(
        {
            "versions": {**versions, "Python": platform.python_version()},
            "scores": scores,
            "peak_mib": peak_mib,
            "own_mib": peak_mib - before_mib,
        }
    )
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        answer({"wall_ms": 1000 * wall, "cpu_ms": 1000 * cpu})


def _memory_mib(entry: str) -> float:
    """Read a memory figure of this process; NaN on systems that do not show it."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii", errors="replace").splitlines() if status.is_file() else []
    found = [int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{entry}:")]
    return found[0] if found else float("nan")
