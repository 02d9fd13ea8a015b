"""Processes that work together: all end well, or one fails and the others are ended."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from brats3d.errors import Brats3dError

logger = logging.getLogger(__name__)

_USER_ERROR = "brats3d: error: "
_LOOK_EVERY_S = 0.2
_LINES_OF_A_CRASH = 30
# What a process is just writing may be a large file on a slow disk.
_SECONDS_TO_END = 60.0


def run_together(
    commands: Sequence[Sequence[str]], environments: Sequence[Mapping[str, str]]
) -> Generator[None, None, None]:
    """Start processes and yield now and then until all have ended well.

    What they say on standard error is logged. However this generator ends (close it!), so do the
    processes: they are interrupted as by Ctrl-C, and killed when they do not end within a minute.

    Args:
        commands: Words of each process's command line.
        environments: Environment variables of each process, complete.

    Raises:
        Brats3dError: A process ended with a user error, whose message is this one's, or was killed.
        RuntimeError: A process crashed.
    """
    children: list[_Child] = []
    with _ended_by_termination():
        try:
            for words, environment in zip(commands, environments, strict=True):
                children.append(_Child(words, environment))
            while any([child.is_running() for child in children]):
                yield
                time.sleep(_LOOK_EVERY_S)
        finally:
            _end(children)


class _Child:
    """A process whose standard error is read as it comes."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self.said: list[str] = []
        self.heard = True
        self.process = subprocess.Popen(
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            # Ctrl-C reaches the leader alone, so that each process is interrupted once.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.said.append(line.rstrip())
                told = any(said.startswith(_USER_ERROR) for said in self.said)
                if self.heard and not told:  # the error is raised
                    logger.info("%s", self.said[-1])

    def is_running(self) -> bool:
        """Whether it has not ended.

        Raises:
            Brats3dError: It ended with a user error or was killed.
            RuntimeError: It crashed.
        """
        code = self.process.poll()
        if code is None:
            return True
        if code != 0:
            self._reader.join(1)
            raise self._failure(code)
        return False

    def _failure(self, code: int) -> Exception:
        begins = [number for number, line in enumerate(self.said) if line.startswith(_USER_ERROR)]
        if begins:
            return Brats3dError("\n".join(self.said[begins[0] :]).removeprefix(_USER_ERROR))
        if code < 0:
            return Brats3dError(
                "one of the processes was killed",
                got=f"signal {-code}",
                remedy="often memory ran out: use fewer processes (--devices)",
            )
        said = "\n".join(self.said[-_LINES_OF_A_CRASH:])
        return RuntimeError(f"one of the processes failed with exit code {code}:\n{said}")


def _end(children: Sequence[_Child]) -> None:
    running = [child for child in children if child.process.poll() is None]
    try:
        for child in running:
            child.heard = False
            child.process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
        latest = time.monotonic() + _SECONDS_TO_END
        for child in running:
            child.process.wait(max(0.0, latest - time.monotonic()))
    except subprocess.TimeoutExpired:
        logger.warning("a process does not end by itself and is killed")
    finally:
        for child in running:
            child.process.kill()
            child.process.wait()


@contextmanager
def _ended_by_termination() -> Iterator[None]:
    """Let a request to terminate unwind the stack, so that nothing is left running."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    former = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
