"""A trainer's own loop, taken one step at a time."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

_ENDLESS = 10**9


class Repeated:
    """A loader that gives one batch again and again.

    Args:
        batch: What it gives.
    """

    batch_size = None

    def __init__(self, batch: Any) -> None:
        self._batch = batch
        self.sampler = SimpleNamespace()  # there is nothing to choose from

    def __len__(self) -> int:
        """Batches per epoch: more than anybody measures."""
        return _ENDLESS

    def __iter__(self) -> Iterator[Any]:
        """Give the batch."""
        return itertools.repeat(self._batch)


class Stepwise:
    """A loader that holds the loop that reads it between two steps.

    A loop asks for the next batch when it has done all that belongs to a step, so that its own way of
    training is measured without a hook into it.

    Args:
        loader: Gives the batches.
    """

    def __init__(self, loader: Iterable[Any]) -> None:
        self._loader = loader
        self._wanted = threading.Semaphore(0)
        self._waits: queue.Queue[BaseException | None] = queue.Queue()

    def __len__(self) -> int:
        """Batches per epoch: more than anybody measures."""
        return _ENDLESS

    def __iter__(self) -> Iterator[Any]:
        """Give a batch whenever a step is wanted."""
        for batch in self._loader:
            self._waits.put(None)
            self._wanted.acquire()
            yield batch

    def start(self, loop: Callable[[Any], Any]) -> None:
        """Run ``loop`` on this loader, in a thread of its own, up to its first batch.

        Raises:
            BaseException: What the loop raised.
        """
        threading.Thread(target=self._run, args=(loop,), daemon=True).start()
        self._wait()

    def step(self) -> None:
        """Let the loop do one step, and return when it is done.

        Raises:
            BaseException: What the loop raised.
        """
        self._wanted.release()
        self._wait()

    def _run(self, loop: Callable[[Any], Any]) -> None:
        try:
            loop(self)
        except BaseException as error:  # raised again where the step is waited for
            self._waits.put(error)
        else:
            self._waits.put(RuntimeError("the loop has ended"))

    def _wait(self) -> None:
        error = self._waits.get()
        if error is not None:
            raise error
