# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Where a prepared case comes from: its source files, by content, and the settings.

Files are hashed by content. Since that takes a second for every few hundred megabytes, the hash of a
file is kept with its path, size and times, and believed as long as these are the same.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.core.errors import DataError
from scripts.core.imaging import files_of

_FORMAT = 2
_PIECE_BYTES = 2**20


@dataclass(frozen=True)
class FileState:
    """What tells that a file has changed without reading it.

    Attributes:
        path: Absolute path, links followed; for a file that is elsewhere all that tells, and the rest is 0.
        size: Bytes.
        mtime_ns: Time of the last change of the content, which anybody may set.
        ctime_ns: Time of the last change of anything, which nobody may set.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True)
class Origin:
    """What a prepared case is made of.

    Attributes:
        case_id: Name of the case.
        files: What a volume is used as (such as ``t1ce``) to its path.
        settings: Text that is the same for the same preprocessing and meaning of labels.
        versions: For files that are elsewhere and fetched when they are needed: what a file is used as to
            text that changes with it.
    """

    case_id: str
    files: Mapping[str, Path]
    settings: str
    versions: Mapping[str, str] = field(default_factory=dict)

    def states(self) -> tuple[FileState, ...]:
        """State of each file, in the order of :attr:`files`.

        Raises:
            DataError: A file is missing.
        """
        return tuple(
            state
            for role, path in self.files.items()
            for state in (
                (FileState(self.versions[role], 0, 0, 0),)
                if role in self.versions
                else tuple(map(_state, files_of(path)))
            )
        )

    def settings_key(self, codec: str) -> str:
        """Hash of the settings and of how arrays are stored."""
        return _short(f"{_FORMAT}\n{codec}\n{sorted(self.files)}\n{self.settings}")

    def key(self, codec: str) -> str:
        """Hash of contents and settings: the identity of the prepared case. May read all files.

        Raises:
            DataError: A file is missing or cannot be read.
        """
        contents = {role: _contents(path) for role, path in self.files.items()}
        return _short(f"{self.settings_key(codec)}\n{sorted(contents.items())}")


@functools.lru_cache(maxsize=2**16)
def content_hash(state: FileState) -> str:
    """SHA-256 of a file; read once in a process as long as its state is the same.

    Raises:
        DataError: The file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with open(state.path, "rb") as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
    except OSError as error:
        raise DataError(
            "cannot read the file",
            where=state.path,
            got=error.strerror,
            remedy="check its permissions, and the disk",
        ) from error
    return digest.hexdigest()


def _contents(path: Path) -> str:
    """Hash of what a path names: of its file, or of all its files in their order and its name."""
    files = files_of(path)
    hashes = [content_hash(_state(file)) for file in files]
    return hashes[0] if files == [path] else _short("\n".join([path.name, *hashes]))


def _state(path: Path) -> FileState:
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(
            "file not found", where=path, remedy="check the path, or whether a link points to nothing"
        ) from error
    return FileState(str(path.resolve()), status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
