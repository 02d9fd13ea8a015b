"""Many cases in three stages that overlap: one case is computed, the next read, the last written.

Reading and writing spend their time in files, in (de)compression and in numpy, all of which leave the
interpreter to other threads.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from threading import Thread
from typing import Generic, TypeVar, cast

from brats3d.host_memory import freed_memory_kept
from brats3d.workflows.messages import progress_over

Item = TypeVar("Item")
Read = TypeVar("Read")
Computed = TypeVar("Computed")
Result = TypeVar("Result")


def run_overlapping(
    items: Sequence[Item],
    *,
    read: Callable[[Item], Read],
    compute: Callable[[Read], Computed],
    write: Callable[[Item, Computed], None],
    what: str,
) -> None:
    """Read, compute and write each item, in their order.

    At most one item waits between two stages: in memory are one that has been read, one that is
    computed and one that is written. ``compute`` runs in the calling thread.

    An error of any stage is raised here, that of the first item if there are several: the items before
    it have been written then, and none after it. An interruption waits for what is just being written,
    and leaves what is being read to itself.

    Args:
        items: What to work on.
        read: First stage; changes nothing outside.
        compute: Second stage.
        write: Last stage.
        what: Name of the work on the progress bar.
    """
    with freed_memory_kept():
        _run(items, read, compute, write, what)


def _run(
    items: Sequence[Item],
    read: Callable[[Item], Read],
    compute: Callable[[Read], Computed],
    write: Callable[[Item, Computed], None],
    what: str,
) -> None:
    reading = _Work(read, items[0]) if items else None
    writing: _Work[None] | None = None
    try:
        for number, item in enumerate(progress_over(items, what), start=1):
            assert reading is not None
            ready = reading.result()
            reading = _Work(read, items[number]) if number < len(items) else None
            computed = compute(ready)
            del ready
            if writing is not None:
                writing.result()
            writing = _Work(write, item, computed)
            del computed
    except KeyboardInterrupt:
        if writing is not None:
            writing.join()
        raise
    except BaseException:
        if writing is not None:
            writing.result()  # its error came first
        if reading is not None:
            reading.join()
        raise
    if writing is not None:
        writing.result()


class _Work(Thread, Generic[Result]):
    """A function called in a thread, which does not keep the process from ending."""

    def __init__(self, function: Callable[..., Result], *arguments: object) -> None:
        super().__init__(daemon=True)
        self._call: Callable[[], Result] | None = functools.partial(function, *arguments)
        self._value: Result | None = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Call the function; its result or error is kept."""
        assert self._call is not None
        try:
            self._value = self._call()
        except BaseException as error:  # raised again by whoever asks for the result
            self._error = error
        finally:
            self._call = None

    def result(self) -> Result:
        """Return what the function returned, or raise what it raised, when the thread has ended.

        A thread that still let go of tensors while the interpreter is taken down would crash it.
        """
        self.join()
        if self._error is not None:
            raise self._error
        return cast(Result, self._value)
