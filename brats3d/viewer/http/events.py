"""Server-sent events: the progress of a segmentation as it happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from brats3d.viewer.job import Job, Snapshot

_HEARTBEAT_SECONDS = 10.0
_FIRST = asyncio.FIRST_COMPLETED
_HEARTBEAT = b": still here\n\n"


async def progress_events(
    job: Job, ending: asyncio.Event, heartbeat_seconds: float = _HEARTBEAT_SECONDS
) -> AsyncIterator[bytes]:
    """Yield an event ``progress`` for every change, until the job ends, or the server (``ending``).

    A comment is yielded when nothing changes for some time: proxies close connections on which nothing is
    said.
    """
    snapshots = cast("AsyncGenerator[Snapshot, None]", job.events())
    end = asyncio.ensure_future(ending.wait())
    next_one = asyncio.ensure_future(anext(snapshots, None))
    try:
        while not end.done():
            await asyncio.wait({next_one, end}, timeout=heartbeat_seconds, return_when=_FIRST)
            if not next_one.done():
                yield _HEARTBEAT
                continue
            progress = next_one.result()
            if progress is None:
                return
            yield b"event: progress\ndata: " + json.dumps(progress).encode() + b"\n\n"
            next_one = asyncio.ensure_future(anext(snapshots, None))
    finally:
        end.cancel()
        next_one.cancel()
        await asyncio.wait({next_one, end})
        await snapshots.aclose()
