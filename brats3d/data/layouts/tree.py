"""Names of the files and folders below a root, listed once; no file is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from brats3d.errors import LayoutError

# root / release / grade / case is the deepest nesting of any public data set.
_DEEPEST = 4
# A root such as a home folder is not a data set; the largest public one has a few thousand cases.
_MOST_FOLDERS = 50_000
_FOLDERS_TO_SKIP = frozenset({"__MACOSX", "lost+found"})


@dataclass(frozen=True)
class Listing:
    """Sorted names in one folder, without hidden and temporary ones."""

    folders: tuple[str, ...]
    files: tuple[str, ...]


@dataclass
class Tree:
    """A folder whose listings are read once, when they are first asked for.

    Links are followed. A link to nothing counts as a file, so that reading it names it.

    Attributes:
        root: The folder.
        unreadable: Folders below it that may not be listed.
    """

    root: Path
    unreadable: list[str] = field(default_factory=list)
    _listings: dict[str, Listing] = field(default_factory=dict)

    @property
    def place(self) -> object:
        """Where the folder is, as a user names it."""
        return self.root

    def read_text(self, path: Path) -> str:
        """Read a small file of the data set; OSError as it comes."""
        return path.read_text(encoding="utf-8")

    def listing(self, folder: str | Path) -> Listing:
        """Names in ``folder``; empty when it may not be listed.

        Raises:
            LayoutError: There are far more folders than in any data set.
        """
        path = os.fspath(folder)
        if path not in self._listings:
            if len(self._listings) >= _MOST_FOLDERS:
                raise LayoutError(
                    "too many folders for one data set",
                    where=self.place,
                    got=f"more than {_MOST_FOLDERS}",
                    remedy="name the folder of the data set itself",
                )
            self._listings[path] = self._list(path)
        return self._listings[path]

    def walk(self) -> Iterator[tuple[str, Listing]]:
        """Yield the root and every folder below it, down to four levels, with its listing."""
        yield from self._walk(os.fspath(self.root), 0)

    def _walk(self, folder: str, depth: int) -> Iterator[tuple[str, Listing]]:
        listing = self.listing(folder)
        yield folder, listing
        if depth < _DEEPEST:
            for name in listing.folders:
                yield from self._walk(os.path.join(folder, name), depth + 1)

    def _list(self, folder: str) -> Listing:
        folders, files = [], []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if is_hidden(entry.name):
                        continue
                    if not entry.is_dir():
                        files.append(entry.name)
                    elif not _leads_back(entry, folder):
                        folders.append(entry.name)
        except OSError as error:
            if folder == os.fspath(self.root):
                raise LayoutError(
                    "cannot list the folder",
                    where=folder,
                    got=error.strerror,
                    expected="a folder you may read",
                    remedy="check its permissions and whether the disk is mounted",
                ) from error
            self.unreadable.append(folder)
        return Listing(tuple(sorted(folders)), tuple(sorted(files)))


def is_hidden(name: str) -> bool:
    """Whether a name is one of a hidden or temporary file or folder."""
    return name.startswith((".", "~", "#")) or name.endswith("~") or name in _FOLDERS_TO_SKIP


def _leads_back(entry: os.DirEntry[str], folder: str) -> bool:
    """Whether a link points to a folder that contains it."""
    if not entry.is_symlink():
        return False
    target = os.path.realpath(entry.path)
    here = os.path.realpath(folder)
    return here == target or here.startswith(target.rstrip(os.sep) + os.sep)
