"""Files of a result, written when somebody asks for them, and the latest of them kept."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

_KEPT = 16


class FilesOnDemand:
    """Files in a folder, each written once, by one thread at a time.

    Of files that differ only in their key, the newest few are kept; one that is being sent meanwhile is
    sent to its end.

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def get(self, name: str, key: object, ending: str, write: Callable[[Path], None]) -> Path:
        """Return a file; it is written if it is not there.

        Args:
            name: What it holds.
            key: What its content depends on; its ``repr`` tells it from others.
            ending: After the name, without the dot.
            write: Writes it, atomically.
        """
        digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        path = self._folder / f"{name}-{digest}.{ending}"
        with self._lock:
            if path.exists():
                path.touch()
            else:
                write(path)
                self._remove_oldest(name, ending)
        return path

    def _remove_oldest(self, name: str, ending: str) -> None:
        files = sorted(self._folder.glob(f"{name}-*.{ending}"), key=lambda file: file.stat().st_mtime)
        for old in files[:-_KEPT]:
            old.unlink(missing_ok=True)
