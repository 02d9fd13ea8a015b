"""Many cases in three stages that overlap: one case is computed, the next read, the last written.

Reading and writing spend their time in files, in (de)compression and in numpy, all of which leave the
interpreter to other threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

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
    reading = _begin(read, items[0]) if items else None
    writing: Future[None] | None = None
    try:
        for number, item in enumerate(progress_over(items, what), start=1):
            assert reading is not None
            ready = reading.result()
            reading = _begin(read, items[number]) if number < len(items) else None
            computed = compute(ready)
            del ready
            if writing is not None:
                writing.result()
            writing = _begin(write, item, computed)
            del computed
    except KeyboardInterrupt:
        if writing is not None:
            writing.exception()  # waits
        raise
    except BaseException:
        if writing is not None:
            writing.result()  # its error came first
        raise
    if writing is not None:
        writing.result()


def _begin(function: Callable[..., Result], *arguments: object) -> Future[Result]:
    """Call a function in a thread, which does not keep the process from ending."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(function(*arguments))
        except BaseException as error:  # raised again by whoever asks for the result
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future
