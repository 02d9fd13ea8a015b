"""A case whose files are elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from brats3d.cases import Case
from brats3d.data.remote.cache import FileCache, Parcel


@dataclass(frozen=True)
class RemoteCase(Case):
    """A case whose paths lead into a cache; its files are there inside :meth:`here`.

    Attributes:
        cache: The cache.
        images_parcel: Images, and brain mask if there is one.
        label_parcel: Label map, or None; it is small and wanted by itself.
    """

    cache: FileCache = field(kw_only=True)
    images_parcel: Parcel = field(kw_only=True)
    label_parcel: Parcel | None = field(kw_only=True)

    def __hash__(self) -> int:
        """Hash by name; mappings have no hash of their own."""
        return super().__hash__()

    def __reduce__(self) -> tuple[Callable[..., Case], tuple[object, ...]]:
        """Pickle without the read-only views."""
        _, values = super().__reduce__()
        made = partial(
            RemoteCase,
            cache=self.cache,
            images_parcel=self.images_parcel,
            label_parcel=self.label_parcel,
        )
        return made, values

    @contextlib.contextmanager
    def here(self, *, wait: bool = True, label_only: bool = False) -> Iterator[bool]:
        """Have the files of the case on this disk meanwhile; see :meth:`brats3d.cases.Case.here`.

        One process or thread at a time has them; do not nest.

        Raises:
            DataError: A file is gone, has changed, arrives incomplete or cannot be reached.
            OutputError: The cache cannot be written to.
        """
        wanted = (None if label_only else self.images_parcel, self.label_parcel)
        with contextlib.ExitStack() as stack:
            for parcel in wanted:
                if parcel is None:
                    continue
                if not stack.enter_context(self.cache.held(parcel, wait=wait)):
                    yield False
                    return
            yield True

    def version(self, path: Path) -> str:
        """Address, size and version of a file."""
        for parcel in filter(None, (self.images_parcel, self.label_parcel)):
            for file in parcel.files:
                if self.cache.path(parcel, file) == path:
                    return f"{parcel.url} {file.name} {file.size} {file.version}"
        raise KeyError(path)
