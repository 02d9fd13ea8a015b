"""Names of the files and folders below a URL, listed once; of the files none but ``dataset.json`` is read."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path, PurePosixPath

from brats3d.cases import Case
from brats3d.data.layouts.tree import Listing, Tree, is_hidden
from brats3d.data.remote.cache import FileCache, Parcel
from brats3d.data.remote.case import RemoteCase
from brats3d.data.remote.storage import RemoteFile, Storage
from brats3d.errors import DataError, LayoutError


class RemoteTree(Tree):
    """A folder elsewhere, which the layouts see as one on this disk.

    The paths in it are the address with one of its slashes lost (``s3:/bucket/folder``). They lead nowhere,
    until :meth:`fetchable` replaces them.
    """

    def __init__(self, url: str) -> None:
        """List the folder.

        Raises:
            ConfigError: It cannot be a folder with data.
            LayoutError: There is nothing.
            DataError: It may not be listed, or cannot be reached.
            MissingExtraError: The driver for such URLs is not installed.
        """
        self.storage = Storage(url)
        super().__init__(Path(self.storage.url))
        self._files: dict[str, RemoteFile] = {}
        self._folders: defaultdict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
        self._add(self.storage.files(self.storage.name))
        if not self._files:
            raise LayoutError(
                "there is nothing below the URL of the data set",
                where=self.storage.url,
                expected="a folder with cases, or the folder of one case",
                remedy="check the address (data.root)",
            )

    @property
    def place(self) -> str:
        """The URL."""
        return self.storage.url

    def read_text(self, path: Path) -> str:
        """Read a small file.

        Raises:
            FileNotFoundError: There is none.
            DataError: It may not be read, or cannot be reached.
        """
        content = self.storage.read(self._name(path))
        if content is None:
            raise FileNotFoundError(path)
        return content.decode("utf-8")

    def fetchable(self, case: Case, cache: FileCache) -> RemoteCase:
        """Return a case of this tree with paths into a cache, where its files are when they are needed."""
        mask, label = case.brain_mask, case.label
        images = self._parcel(case.case_id, [*case.images.values(), *([mask] if mask else [])])
        labels = None if label is None else self._parcel(f"{case.case_id}-label", [label])

        def at(parcel: Parcel, path: Path) -> Path:
            return cache.path(parcel, self._files[path.as_posix()])

        own = {item.name: getattr(case, item.name) for item in fields(Case)}
        own["images"] = {modality: at(images, path) for modality, path in case.images.items()}
        own["brain_mask"] = None if mask is None else at(images, mask)
        own["label"] = None if label is None or labels is None else at(labels, label)
        return RemoteCase(**own, cache=cache, images_parcel=images, label_parcel=labels)

    def _list(self, folder: str) -> Listing:
        path = Path(folder)
        if path != self.root and self.root not in path.parents and path.as_posix() not in self._folders:
            self._add_beside(path)
        folders, files = self._folders[path.as_posix()]
        return Listing(tuple(sorted(folders)), tuple(sorted(files)))

    def _add_beside(self, folder: Path) -> None:
        """List a folder beside the root: label maps of ``imagesTr`` lie in one."""
        try:
            self._add(self.storage.files(self._name(folder)))
        except DataError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise

    def _add(self, files: Iterable[RemoteFile]) -> None:
        for file in files:
            path = Path(self.storage.url_of(file.name))
            self._files[path.as_posix()] = file
            names = PurePosixPath(file.name).parts
            if any(is_hidden(name) for name in names[1:]):
                continue
            self._folders[path.parent.as_posix()][1].add(path.name)
            for number, folder in enumerate(path.parents):
                if number >= len(names) - 2:
                    break
                self._folders[folder.parent.as_posix()][0].add(folder.name)

    def _name(self, path: Path) -> str:
        """Path from the name of the root on."""
        return path.relative_to(self.root.parent).as_posix()

    def _parcel(self, name: str, paths: Iterable[Path]) -> Parcel:
        files = tuple(self._files[path] for path in sorted({path.as_posix() for path in paths}))
        facts = [(self.storage.url_of(file.name), file.size, file.version) for file in files]
        key = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
        return Parcel(f"{name}-{key}", self.storage.url, files)
