"""Messages of the verbs on the terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Sized
from typing import Protocol, TypeVar

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T", covariant=True)


class SizedIterable(Sized, Iterable[T], Protocol[T]):
    """Something with a length to go through."""


class _StandardError(logging.Handler):
    """Writes to what is standard error now, not when the handler was made."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message."""
        print(self.format(record), file=sys.stderr, flush=True)


def log_to_terminal() -> None:
    """Show the package's messages on standard error; notes carry case ids, never header text."""
    console = Console(stderr=True)
    if console.is_terminal:
        handler: logging.Handler = RichHandler(
            console=console, show_level=False, show_path=False, show_time=False, markup=False
        )
    else:
        handler = _StandardError()
    package = logging.getLogger("brats3d")
    package.handlers = [handler]
    package.setLevel(logging.INFO)
    package.propagate = False


def progress_over(items: SizedIterable[T], what: str) -> Iterator[T]:
    """Yield ``items``, with a bar on standard error when that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=len(items))
        for item in items:
            yield item
            progress.advance(task)
