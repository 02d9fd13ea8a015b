"""Work that takes a while runs in a few threads, so that other requests are answered meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import anyio.to_thread
from anyio.lowlevel import RunVar

P = ParamSpec("P")
T = TypeVar("T")

_AT_A_TIME = 4
"""Whole volumes may be in memory meanwhile."""

_LIMITER: RunVar[anyio.CapacityLimiter] = RunVar("_LIMITER")


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``work`` in a thread; files are read and sent by others, which need not wait for these."""
    return await anyio.to_thread.run_sync(partial(work, *args, **kwargs), limiter=_limiter())


def _limiter() -> anyio.CapacityLimiter:
    limiter = _LIMITER.get(None)
    if limiter is None:
        limiter = anyio.CapacityLimiter(_AT_A_TIME)
        _LIMITER.set(limiter)
    return limiter
