"""Where the files of one upload are stored: under numbers, counted, and removed when something goes wrong."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from brats3d.viewer.uploads.limits import Allowance, Limits
from brats3d.viewer.uploads.refusals import UploadGone, cannot_store


@dataclass(frozen=True)
class Stored:
    """A file that was written, and its size in bytes."""

    path: Path
    size: int


class CountedFile:
    """A file that is being written; each byte is claimed before it is.

    Attributes:
        path: Where it is.
        size: Bytes written.
    """

    def __init__(self, path: Path, file: BinaryIO, name: str, place: Workplace) -> None:
        self.path = path
        self.size = 0
        self._file = file
        self._name = name
        self._place = place

    def write(self, data: bytes | memoryview) -> None:
        """Append ``data``.

        Raises:
            TooLarge: The upload would hold more than it may.
            UploadGone: The upload was removed meanwhile.
        """
        self._place.check()
        self._place.allowance.claim(len(data), self._name)
        self.size += len(data)
        self._file.write(data)

    def stored(self) -> Stored:
        """The file as it is now."""
        return Stored(self.path, self.size)


class Workplace:
    """The folder of one upload.

    Args:
        folder: Exists, and belongs to the upload alone.
        limits: Most that it may hold.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder = folder
        self.limits = limits
        self.allowance = Allowance(limits)
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
            raise cannot_store(name, error) from None

    @contextmanager
    def writing(self, name: str, suffix: str) -> Iterator[CountedFile]:
        """Open a new file; it is removed again when the block fails, however it does.

        Args:
            name: What messages call it.
            suffix: Ending of the stored name.

        Raises:
            UploadGone: The upload was removed meanwhile.
            OutputError: The disk is full or not writable.
        """
        self.check()
        path = self.new_path(suffix)
        counted = None
        try:
            with self.explained(name), path.open("xb") as file:
                counted = CountedFile(path, file, name, self)
                yield counted
        except BaseException:
            self.delete(Stored(path, counted.size if counted else 0))
            raise

    def delete(self, stored: Stored) -> None:
        """Remove a file and give its bytes back."""
        with suppress(OSError):  # the whole folder may be gone; what is left goes with it
            stored.path.unlink(missing_ok=True)
        self.allowance.release(stored.size)
