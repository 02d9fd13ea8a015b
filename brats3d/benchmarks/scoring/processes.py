"""Starting the processes that score, and asking them for times."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import brats3d
from brats3d.benchmarks.scoring import worker

_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")


class ScoringProcess:
    """A process of one thread that does one thing, such as scoring a pair, with one contender.

    Args:
        name: Contender.
        python: Its Python; None: the one that runs, with this very brats3d.
        subject: File that says what to do it on, such as a pair.
        program: File of the program.
        complaints: Open file for what the process writes to standard error.

    Attributes:
        name: Contender.
        missing: Package that it lacks; None when it can be measured.
        found: What it said about itself after its first run: versions, scores, memory.
    """

    def __init__(
        self, name: str, python: str | None, subject: Path, program: str, complaints: IO[str]
    ) -> None:
        self.name = name
        self._complaints = complaints
        self._process = subprocess.Popen(
            [python or sys.executable, program, name, str(subject)],
            env=_environment(python is None),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            encoding="utf-8",
        )
        self.found: Mapping[str, Any] = {}
        self.missing: str | None = None

    def start(self) -> None:
        """Wait for the first run, which is not measured.

        Raises:
            RuntimeError: The contender failed.
        """
        self.found = self._read()
        self.missing = self.found.get("missing")

    def measure(self) -> tuple[float, float]:
        """Score once more. Returns milliseconds by the clock and of the processor.

        Raises:
            RuntimeError: The contender failed.
        """
        assert self._process.stdin is not None
        self._process.stdin.write("once more\n")
        self._process.stdin.flush()
        answer = self._read()
        return answer["wall_ms"], answer["cpu_ms"]

    def end(self) -> None:
        """Let the process end."""
        self._process.kill()
        self._process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._complaints.seek(0)
            raise RuntimeError(f"{self.name} failed:\n{self._complaints.read()[-2000:]}")
        return json.loads(line)


@contextlib.contextmanager
def scoring_process(
    name: str, python: str | None, subject: Path, program: str = worker.__file__
) -> Iterator[ScoringProcess]:
    """Start a process, wait for its first run, and end it after the block."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
        process = ScoringProcess(name, python, subject, program, complaints)
        try:
            process.start()
            yield process
        finally:
            process.end()


def _environment(own: bool) -> dict[str, str]:
    """One thread for every library; brats3d where it is this very one, nothing of ours for others."""
    environment = os.environ | {f"{library}_NUM_THREADS": "1" for library in _THREADS}
    path = environment.pop("PYTHONPATH", "")
    if own:
        root = str(Path(brats3d.__file__).parents[1])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, path)))
    return environment
