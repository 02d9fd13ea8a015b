"""Starting the processes that are measured, and asking them for times."""

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

_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")


class ContenderProcess:
    """A process that does one thing, such as scoring a pair, with one contender.

    Args:
        name: Contender.
        python: Its Python; None: the one that runs.
        subject: File that says what to do it on, such as a pair.
        program: File of the program; it can import this very brats3d.
        environment: Its environment variables.
        complaints: Open file for what the process writes to standard error.

    Attributes:
        name: Contender.
        missing: Package that it lacks; None when it can be measured.
        found: What it said about itself after its first run: versions, scores, memory.
    """

    def __init__(
        self,
        name: str,
        python: str | None,
        subject: Path,
        program: str,
        environment: Mapping[str, str],
        complaints: IO[str],
    ) -> None:
        self.name = name
        self._complaints = complaints
        self._process = subprocess.Popen(
            [python or sys.executable, program, name, str(subject)],
            env=environment,
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
        """Do it once more. Returns milliseconds by the clock and of the processor.

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
def contender_process(
    name: str, python: str | None, subject: Path, program: str, *, threads: int = 1
) -> Iterator[ContenderProcess]:
    """Start a process, wait for its first run, and end it after the block.

    Args:
        name: Contender.
        python: Its Python; None: the one that runs.
        subject: File that says what to do it on.
        program: File of the program.
        threads: Threads of its numerical libraries.
    """
    with contextlib.ExitStack() as stack:
        paths = [stack.enter_context(_importable(python is None)), ""]
        if python is None:
            paths[1] = os.environ.get("PYTHONPATH", "")
        environment = {
            **os.environ,
            **{f"{library}_NUM_THREADS": str(threads) for library in _THREADS},
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }
        complaints = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
        process = ContenderProcess(name, python, subject, program, environment, complaints)
        try:
            process.start()
            yield process
        finally:
            process.end()


@contextlib.contextmanager
def _importable(own: bool) -> Iterator[str]:
    """Folder from which this very brats3d is imported; for another Python it holds nothing else."""
    package = Path(brats3d.__file__).parent
    if own:
        yield str(package.parent)
        return
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / package.name).symlink_to(package, target_is_directory=True)
        yield folder
