"""Errors that whoever uploads can cause, beyond those of reading images."""

from __future__ import annotations

import errno

from brats3d.errors import Brats3dError, DataError, OutputError


class UploadGone(Brats3dError):
    """An upload that does not exist, or no longer."""

    def __init__(self, *parts: object, **named: object) -> None:
        """Say what to do; there is nothing else to tell."""
        super().__init__(
            "this upload is not here any more",
            expected="an upload that was used lately",
            remedy="drop the files on the page again",
        )

    def __reduce__(self) -> tuple[type[UploadGone], tuple[object, ...]]:
        """Pickle as what it is."""
        return UploadGone, ()


class TooManyUploads(Brats3dError):
    """More uploads at a time than the server takes."""


class TooLarge(DataError):
    """More bytes, files, voxels or pixels than the server takes."""


def mebibytes(size: float) -> str:
    """Size in words; small ones in bytes."""
    return f"{size:.0f} bytes" if size < 1 << 20 else f"{size / (1 << 20):.1f} MiB"


def cannot_store(name: object, error: OSError) -> OutputError:
    """Explain why a file could not be kept; the path on the server is not told."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return OutputError(
        "the server has no space left for uploads" if full else "the server cannot keep the file",
        where=name,
        got=type(error).__name__ if error.strerror is None else error.strerror,
        expected="a writable folder with free space on the server",
        remedy="try again later, or ask whoever runs the server to free space",
    )
