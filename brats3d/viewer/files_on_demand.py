"""The files of a result: some are there from the start, some are written when somebody asks for them."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from brats3d.viewer.refusals import JobGone

_KEPT = 16


class FilesOnDemand:
    """The folder of a job. Each file is written once; files of one name by one thread at a time.

    Of files that differ only in their key, the newest few are kept; one that is being sent meanwhile is
    sent to its end.

    Args:
        folder: Where they lie.
        job_id: Of the job.
    """

    def __init__(self, folder: Path, job_id: str) -> None:
        self._folder = folder
        self._job_id = job_id
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._gone = False

    def get(self, name: str, key: object, ending: str, write: Callable[[Path], None]) -> Path:
        """Return a file; it is written if it is not there.

        Args:
            name: What it holds.
            key: What its content depends on; its ``repr`` tells it from others.
            ending: After the name, without the dot.
            write: Writes it, atomically.

        Raises:
            JobGone: The files have been deleted.
        """
        digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        path = self._folder / f"{name}-{digest}.{ending}"
        with self._locks[name], self.reading():
            if self._gone:
                raise JobGone(self._job_id)
            if path.exists():
                path.touch()
            else:
                write(path)
                self._remove_oldest(name, ending)
        return path

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read files of the folder inside.

        Raises:
            JobGone: They have been deleted.
        """
        try:
            yield
        except FileNotFoundError as error:
            if not self._gone:
                raise
            raise JobGone(self._job_id) from error

    def delete(self) -> None:
        """Delete all files; no more are written."""
        self._gone = True
        shutil.rmtree(self._folder, ignore_errors=True)
        for lock in list(self._locks.values()):
            with lock:  # whoever was writing has come to the end, and may have made the folder again
                shutil.rmtree(self._folder, ignore_errors=True)

    def _remove_oldest(self, name: str, ending: str) -> None:
        files = sorted(self._folder.glob(f"{name}-*.{ending}"), key=lambda file: file.stat().st_mtime)
        for old in files[:-_KEPT]:
            old.unlink(missing_ok=True)
