"""Server-sent events: the progress of a segmentation as it happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brats3d.viewer.job import Job

_HEARTBEAT_SECONDS = 10.0
_HEARTBEAT = b": still here\n\n"


async def progress_events(job: Job, heartbeat_seconds: float = _HEARTBEAT_SECONDS) -> AsyncIterator[bytes]:
    """Yield an event ``progress`` for every change, and a comment when nothing changes for some time.

    Proxies close connections on which nothing is said. Ends with the job.
    """
    snapshots = job.events()
    following: asyncio.Task[object] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(snapshots))
            done, _ = await asyncio.wait({following}, timeout=heartbeat_seconds)
            if not done:
                yield _HEARTBEAT
                continue
            try:
                progress = following.result()
            except StopAsyncIteration:
                return
            following = None
            yield b"event: progress\ndata: " + json.dumps(progress).encode() + b"\n\n"
    finally:
        if following is not None:
            following.cancel()
            await asyncio.wait({following})
        await snapshots.aclose()
