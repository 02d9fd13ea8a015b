"""All uploads of a server."""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from brats3d.files import make_folder
from brats3d.viewer.uploads.limits import Limits
from brats3d.viewer.uploads.refusals import TooManyUploads, UploadGone
from brats3d.viewer.uploads.upload import Upload

logger = logging.getLogger(__name__)


class UploadStore:
    """Keeps uploads for as long as somebody asks for them; safe to use from several threads.

    Args:
        folder: Folder for their files; a folder of the store's own is made in it.
        limits: How much is taken, and for how long.
        clock: Seconds that only grow; tests give one of their own.

    Raises:
        OutputError: The folder cannot be made.
    """

    def __init__(self, folder: Path, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._folder = make_folder(folder) / f"uploads-{secrets.token_hex(8)}"
        make_folder(self._folder).chmod(0o700)
        self._uploads: dict[str, Upload] = {}
        self._closed = False
        self._lock = threading.Lock()
        # Whole volumes are in memory while they are read: only so many at a time.
        self._readers = threading.BoundedSemaphore(2)

    def __len__(self) -> int:
        """Number of uploads."""
        return len(self._uploads)

    def new(self) -> Upload:
        """Begin an upload.

        Raises:
            TooManyUploads: There are as many as there may be.
            UploadGone: The store is closed.
            OutputError: Its folder cannot be made.
        """
        self.expire()
        name = secrets.token_urlsafe(16)
        with self._lock:
            if self._closed:
                raise UploadGone()
            if len(self._uploads) >= self.limits.uploads:
                raise TooManyUploads(
                    "the server has too many uploads",
                    got=f"{len(self._uploads)} uploads",
                    expected=f"fewer than {self.limits.uploads}",
                    remedy="try again in a few minutes; whoever runs the server can raise uploads",
                )
            place = make_folder(self._folder / secrets.token_hex(8))
            upload = Upload(name, place, self.limits, self._clock, self._readers)
            self._uploads[name] = upload
        logger.info("upload %s: begun; %d at the moment", upload.short_id, len(self))
        return upload

    def get(self, upload_id: str) -> Upload:
        """Return an upload, which counts as asking for it.

        Raises:
            UploadGone: There is none of this id, or its time is over.
        """
        with self._lock:
            upload = self._uploads.get(upload_id)
        if upload is None:
            raise UploadGone()
        if upload.expired():
            self.remove(upload_id)
            raise UploadGone()
        upload.touch()
        return upload

    def remove(self, upload_id: str) -> None:
        """Delete an upload and all its files; nothing happens where there is none."""
        with self._lock:
            upload = self._uploads.pop(upload_id, None)
        if upload is not None:
            upload.discard()
            logger.info("upload %s: removed; %d left", upload.short_id, len(self))

    def expire(self) -> None:
        """Delete the uploads that nobody has asked for during the time they are kept."""
        with self._lock:
            late = [name for name, upload in self._uploads.items() if upload.expired()]
        for name in late:
            self.remove(name)

    def close(self) -> None:
        """Delete all uploads and the store's folder."""
        with self._lock:
            self._closed = True
        for name in list(self._uploads):
            self.remove(name)
        with contextlib.suppress(OSError):
            shutil.rmtree(self._folder)
