"""How much may be uploaded, and the account of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from brats3d.config.app import AppConfig
from brats3d.viewer.uploads.refusals import TooLarge, mebibytes

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Most that is taken.

    Attributes:
        size: Bytes that one upload may hold, unpacked.
        files: Files that one upload may hold, unpacked.
        uploads: Uploads at a time.
        keep_seconds: How long an upload is kept that nobody asks for.
        voxels: Voxels of one volume (of one channel of it).
        channels: Channels of one volume.
        pixels: Pixels of one picture or DICOM slice.
    """

    size: int = 2048 * MIB
    files: int = 5000
    uploads: int = 100
    keep_seconds: float = 1800.0
    voxels: int = 512**3
    channels: int = 64
    pixels: int = 1 << 25

    @classmethod
    def of(cls, config: AppConfig) -> Limits:
        """Limits as the settings of the page have them."""
        return cls(
            size=config.upload_mib * MIB,
            files=config.upload_files,
            uploads=config.uploads,
            keep_seconds=config.keep_minutes * 60.0,
        )


class Allowance:
    """What one upload has used of its limits; safe to use from several threads."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._size = 0
        self._files = 0
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes in use."""
        return self._size

    @property
    def files(self) -> int:
        """Files in use."""
        return self._files

    def claim(self, size: int, where: object) -> None:
        """Take ``size`` bytes.

        Raises:
            TooLarge: The upload would hold more than it may.
        """
        with self._lock:
            if self._size + size > self.limits.size:
                raise TooLarge(
                    "the upload is too large",
                    where=where,
                    got=f"more than {mebibytes(self.limits.size)}, unpacked",
                    expected=f"at most {mebibytes(self.limits.size)}",
                    remedy="upload one case at a time; whoever runs the server can raise upload_mib",
                )
            self._size += size

    def claim_files(self, number: int, where: object) -> None:
        """Take ``number`` files.

        Raises:
            TooLarge: The upload would hold more than it may.
        """
        with self._lock:
            self.check_files(number, where)
            self._files += number

    def check_files(self, number: int, where: object) -> None:
        """Check that there is room for ``number`` files more.

        Raises:
            TooLarge: There is not.
        """
        if self._files + number > self.limits.files:
            raise TooLarge(
                "the upload has too many files",
                where=where,
                got=f"more than {self.limits.files} files",
                expected=f"at most {self.limits.files}",
                remedy="upload one case at a time; whoever runs the server can raise upload_files",
            )

    def release(self, size: int, files: int = 0) -> None:
        """Give bytes and files back."""
        with self._lock:
            self._size -= size
            self._files -= files
