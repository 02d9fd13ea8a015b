"""Work that takes a while runs in a few threads, so that other requests are answered meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import anyio

P = ParamSpec("P")
T = TypeVar("T")

_AT_A_TIME = 8


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``work`` in a thread; the threads that send files are others."""
    return await anyio.to_thread.run_sync(partial(work, *args, **kwargs), limiter=_limiter())


_LIMITER = anyio.lowlevel.RunVar[anyio.CapacityLimiter]("_limiter")


def _limiter() -> anyio.CapacityLimiter:
    try:
        return _LIMITER.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(_AT_A_TIME)
        _LIMITER.set(limiter)
        return limiter
