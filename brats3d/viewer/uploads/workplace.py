"""Where the files of one upload are stored: under numbers, counted, and removed when something goes wrong."""

from __future__ import annotations

import errno
import io
import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from brats3d.viewer.uploads.limits import MIB, Allowance, Limits
from brats3d.viewer.uploads.refusals import UploadGone, cannot_store


@dataclass(frozen=True)
class Stored:
    """A file that was written.

    Attributes:
        path: Where it is.
        size: Bytes.
        account: What they are claimed from.
    """

    path: Path
    size: int
    account: Allowance


_RESERVED = 256 * MIB
"""Space that is left on the disk for results."""
_LOOKED_AT_EVERY = 32 * MIB


class CountedFile:
    """A file that is being written; each byte is claimed before it is, and the disk never filled.

    Attributes:
        path: Where it is.
        size: Bytes written.
    """

    def __init__(
        self, path: Path, file: BinaryIO, name: str, account: Allowance, check: Callable[[], None]
    ) -> None:
        self.path = path
        self.size = 0
        self._file = file
        self._name = name
        self._account = account
        self._check = check

    def write(self, data: bytes | bytearray) -> int:
        """Append ``data``.

        Raises:
            TooLarge: The upload would hold more than it may.
            UploadGone: The upload was removed meanwhile.
        """
        self._check()
        if not self.size or self.size // _LOOKED_AT_EVERY != (self.size + len(data)) // _LOOKED_AT_EVERY:
            self._look_at_the_disk()
        self._account.claim(len(data), self._name)
        self.size += len(data)
        return self._file.write(data)

    def _look_at_the_disk(self) -> None:
        if shutil.disk_usage(self.path.parent).free < _RESERVED:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def flush(self) -> None:
        """Nothing is held back."""

    def tell(self) -> int:
        """Where the next byte goes: at the end."""
        return self.size

    def seek(self, place: int) -> int:
        """Go to the end, where it is already; writers of pictures make sure of it.

        Raises:
            io.UnsupportedOperation: Anywhere else.
        """
        if place != self.size:
            raise io.UnsupportedOperation("only the end of the file is written to")
        return place

    def stored(self) -> Stored:
        """The file as it is now."""
        return Stored(self.path, self.size, self._account)


class Workplace:
    """The folder of one upload.

    Args:
        folder: Exists, and belongs to the upload alone.
        limits: Most that it may hold.
        readers: Entered while a whole volume is in memory.
    """

    def __init__(
        self, folder: Path, limits: Limits, readers: AbstractContextManager[object] | None = None
    ) -> None:
        self.folder = folder
        self.limits = limits
        self.readers = nullcontext() if readers is None else readers
        self.allowance = Allowance(limits)
        # What is only there until it is looked at: an archive, and one member of it.
        self._in_passing = Allowance(replace(limits, size=2 * limits.size))
        self.gone = threading.Event()
        self._numbers = itertools.count(1)

    def check(self) -> None:
        """Raise :class:`UploadGone` once the upload is removed."""
        if self.gone.is_set():
            raise UploadGone()

    def new_path(self, suffix: str) -> Path:
        """A path that no file has yet."""
        return self.folder / f"{next(self._numbers)}{suffix}"

    @contextmanager
    def explained(self, name: str) -> Iterator[None]:
        """Turn what the system says of files into errors for the user.

        Raises:
            UploadGone: The upload was removed meanwhile.
            OutputError: The disk is full or not writable.
        """
        try:
            yield
        except OSError as error:
            self.check()
            if error.errno is None:
                raise  # of a parser, not of the disk
            raise cannot_store(name, error) from None

    def passing(self, name: str) -> AbstractContextManager[CountedFile]:
        """Open a new file for something that is not kept as it is; see :meth:`writing`."""
        return self._writing(name, ".part", self._in_passing)

    def writing(self, name: str, suffix: str) -> AbstractContextManager[CountedFile]:
        """Open a new file; it is removed again when the block fails, however it does.

        Args:
            name: What messages call it.
            suffix: Ending of the stored name.

        Raises:
            UploadGone: The upload was removed meanwhile.
            OutputError: The disk is full or not writable.
        """
        return self._writing(name, suffix, self.allowance)

    @contextmanager
    def _writing(self, name: str, suffix: str, account: Allowance) -> Iterator[CountedFile]:
        self.check()
        path = self.new_path(suffix)
        counted = None
        try:
            with self.explained(name), path.open("xb") as file:
                counted = CountedFile(path, file, name, account, self.check)
                yield counted
        except BaseException:
            self.delete(Stored(path, counted.size if counted else 0, account))
            raise

    def delete(self, stored: Stored) -> None:
        """Remove a file and give its bytes back."""
        with suppress(OSError):  # the whole folder may be gone; what is left goes with it
            stored.path.unlink(missing_ok=True)
        stored.account.release(stored.size)
