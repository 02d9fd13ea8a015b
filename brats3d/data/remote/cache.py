"""Copies of files elsewhere: in folders that appear whole, are locked in use, and removed for others."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from brats3d.data.remote.storage import RemoteFile, Storage
from brats3d.data.store.turns import sweep, turn, unfinished_path
from brats3d.errors import ConfigError, output_error
from brats3d.files import make_folder


@dataclass(frozen=True)
class Parcel:
    """Files that are fetched, kept and removed together.

    Attributes:
        name: Its folder in the cache; another one where anything about the files is.
        url: Folder that they are below or beside.
        files: The files.
    """

    name: str
    url: str
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class FileCache:
    """Folder of copies; several processes may use it at once.

    Attributes:
        folder: The folder; made when it is first written to.
        limit_gib: Most space that copies take besides those in use; None: no limit.
    """

    folder: Path
    limit_gib: float | None = None

    def __post_init__(self) -> None:
        """Check the limit."""
        if self.limit_gib is not None and not self.limit_gib > 0:
            raise ConfigError(
                "no space for the files that are fetched",
                where="data.cache_gib",
                got=self.limit_gib,
                expected="more than 0, or null for no limit",
            )

    @staticmethod
    def default_folder() -> Path:
        """``brats3d`` in the user's folder for what can be had again."""
        return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "brats3d"

    def path(self, parcel: Parcel, file: RemoteFile) -> Path:
        """Where a file is while its parcel is held."""
        return self.folder / parcel.name / file.name

    @contextlib.contextmanager
    def held(self, parcel: Parcel, *, wait: bool) -> Iterator[bool]:
        """Have the files of a parcel on this disk, fetching them where they are not.

        Args:
            parcel: The files.
            wait: Whether to wait for another process or thread that holds the parcel.

        Yields:
            Whether they are; always, where ``wait`` is true.

        Raises:
            DataError: A file is gone, has changed, arrives incomplete or cannot be reached.
            OutputError: The cache cannot be written to.
        """
        make_folder(self.folder)
        entry = self.folder / parcel.name
        with contextlib.ExitStack() as stack:
            try:
                mine = stack.enter_context(turn(entry, wait=wait))
            except OSError as error:
                raise output_error(self.folder, error) from error
            if mine:
                if not _is_whole(entry, parcel):
                    self._make_room(parcel.size)
                    self._fetch(parcel, entry)
                with contextlib.suppress(OSError):  # the order of removal is no reason to fail
                    os.utime(entry)
            yield mine

    def sweep(self) -> None:
        """Remove what killed processes have left."""
        sweep(self.folder)

    def _fetch(self, parcel: Parcel, entry: Path) -> None:
        storage = Storage(parcel.url)
        temporary = unfinished_path(entry, secrets.token_hex(4))
        try:
            for file in parcel.files:
                target = temporary / file.name
                target.parent.mkdir(parents=True, exist_ok=True)
                storage.download(file, target)
            if entry.exists() and not _is_whole(entry, parcel):
                _remove(entry)
            _put(temporary, entry, parcel)
        except OSError as error:
            raise output_error(self.folder, error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _make_room(self, size: int) -> None:
        """Remove copies that nobody uses, those used longest ago first, until ``size`` bytes fit."""
        if self.limit_gib is None:
            return
        copies = sorted(_copies(self.folder))
        excess = sum(bytes_ for _, _, bytes_ in copies) + size - self.limit_gib * 2**30
        for _, entry, bytes_ in copies:
            if excess <= 0:
                return
            with turn(entry, wait=False) as mine:
                if mine:
                    _remove(entry)
                    excess -= bytes_


def _copies(folder: Path) -> Iterator[tuple[float, Path, int]]:
    """When it was last used, folder and bytes of each copy."""
    for entry in folder.iterdir():
        if entry.name.startswith(".") or not entry.is_dir():
            continue
        with contextlib.suppress(FileNotFoundError):  # another process has just removed it
            files = [file for file in entry.rglob("*") if file.is_file()]
            yield entry.stat().st_mtime, entry, sum(file.stat().st_size for file in files)


def _is_whole(entry: Path, parcel: Parcel) -> bool:
    try:
        return all((entry / file.name).stat().st_size == file.size for file in parcel.files)
    except OSError:
        return False


def _remove(entry: Path) -> None:
    """Remove a copy so that nobody sees half of it."""
    aside = unfinished_path(entry, secrets.token_hex(4))
    with contextlib.suppress(FileNotFoundError):
        os.replace(entry, aside)
    shutil.rmtree(aside, ignore_errors=True)


def _put(temporary: Path, entry: Path, parcel: Parcel) -> None:
    try:
        os.replace(temporary, entry)
    except OSError:
        # Without locks another process may have been as fast.
        if not _is_whole(entry, parcel):
            raise
