"""Streaming what is received to the disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from brats3d.errors import DataError
from brats3d.viewer.uploads.refusals import TooLarge, mebibytes
from brats3d.viewer.uploads.workplace import CountedFile, Stored, Workplace

_BUFFER = 1 << 16


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
    with place.passing(name) as file:
        buffer = bytearray()
        async for chunk in chunks:
            for start in range(0, len(chunk), _BUFFER):
                buffer += chunk[start : start + _BUFFER]
                if len(buffer) >= _BUFFER:
                    full, buffer = buffer, bytearray()
                    await asyncio.to_thread(_append, file, full, place.limits.size, name)
                    touch()
        _append(file, buffer, place.limits.size, name)
        if file.size == 0:
            raise DataError(
                "the file is empty", where=name, expected="an image", remedy="copy or download the file again"
            )
    return file.stored()


def _append(file: CountedFile, data: bytes | bytearray, most: int, name: str) -> None:
    if file.size + len(data) > most:
        raise TooLarge(
            "the file is too large",
            where=name,
            got=f"more than {mebibytes(most)}",
            expected=f"at most {mebibytes(most)}",
            remedy="upload one case at a time; whoever runs the server can raise upload_mib",
        )
    file.write(data)
