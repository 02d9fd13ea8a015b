# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Who wants to know how far a segmentation is, or to end it, without being passed through every layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from scripts.core.inference.segmenter import Progress

_listener: ContextVar[Progress | None] = ContextVar("brats3d_progress", default=None)


class Cancelled(BaseException):
    """Raised by a listener that wants no more of the work.

    No ``Exception``: what goes on after memory ran out, or puts errors of other programs into words,
    must let it pass.
    """


@contextmanager
def listening(listener: Progress) -> Iterator[None]:
    """Have what is computed inside, in this thread, tell ``listener`` about its progress.

    Args:
        listener: Called with the number of steps done and of all, which may differ from call to call;
            their ratio never falls. What it raises ends the work.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def part(first: int, stop: int, *, of: int) -> Iterator[None]:
    """Have what is computed inside count as the steps ``first`` to ``stop`` of ``of`` steps of the whole."""
    whole = _listener.get()
    if whole is None:
        yield
        return

    def tell(done: int, total: int) -> None:
        whole(first * total + done * (stop - first), of * total)

    with listening(tell):
        yield


def report(done: int, total: int) -> None:
    """Tell whoever listens how many steps are done, of how many.

    Raises:
        Cancelled: The work is no longer wanted.
    """
    listener = _listener.get()
    if listener is not None:
        listener(done, total)
