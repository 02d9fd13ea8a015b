"""What nobody asks for any more is deleted, while the server runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence

from brats3d.viewer.http.threads import in_thread
from brats3d.viewer.http.unexpected import place_of

_LOG = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def expiring(expire: Sequence[Callable[[], object]], every_seconds: float) -> AsyncIterator[None]:
    """Call each of ``expire`` time and again meanwhile; one that fails is called again, too."""
    task = asyncio.create_task(_expire(expire, every_seconds))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _expire(expire: Sequence[Callable[[], object]], every_seconds: float) -> None:
    while True:
        await asyncio.sleep(every_seconds)
        for delete in expire:
            try:
                await in_thread(delete)
            except Exception as error:
                _LOG.error("unexpected %s at %s", type(error).__name__, place_of(error))
