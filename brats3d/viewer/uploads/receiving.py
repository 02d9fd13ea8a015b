"""Streaming what is received to the disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from brats3d.errors import DataError
from brats3d.viewer.uploads.workplace import Stored, Workplace

_BUFFER = 1 << 18


async def receive_file(
    name: str, chunks: AsyncIterator[bytes], place: Workplace, touch: Callable[[], None]
) -> Stored:
    """Write chunks to a new file; only a buffer of them is in memory.

    The event loop goes on while the disk is written to.

    Args:
        name: What messages call the file.
        chunks: Its content; when it raises, or is cancelled, nothing is kept.
        place: Where to, and how much may be there.
        touch: Called from time to time.

    Raises:
        DataError: The file is empty.
        TooLarge: There is more than the upload may hold.
        UploadGone: The upload was removed meanwhile.
        OutputError: The disk is full.
    """
    with place.writing(name, ".part") as file:
        buffer = bytearray()
        async for chunk in chunks:
            for start in range(0, len(chunk), _BUFFER):
                buffer += chunk[start : start + _BUFFER]
                if len(buffer) >= _BUFFER:
                    await asyncio.to_thread(file.write, bytes(buffer))
                    buffer.clear()
                    touch()
        file.write(bytes(buffer))
        if file.size == 0:
            raise DataError(
                "the file is empty", where=name, expected="an image", remedy="copy or download the file again"
            )
    return file.stored()
