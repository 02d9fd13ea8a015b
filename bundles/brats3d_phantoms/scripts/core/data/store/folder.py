# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""The folder of prepared cases: finding entries, writing them, and taking turns at that."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import secrets
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.core.data.store.arrays import codec
from scripts.core.data.store.entry import StoredCase, entry_files, fault
from scripts.core.data.store.faults import mark
from scripts.core.data.store.origin import FileState, Origin
from scripts.core.data.store.turns import sweep, turn, unfinished_path
from scripts.core.errors import OutputError, output_error
from scripts.core.files import make_folder, write_json

_ORIGIN = "origin.json"
_KEY = re.compile(r"[0-9a-f]{16}")


class PreparedStore:
    """Folder of prepared cases; several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        """Remember the folder; it is created on the first write."""
        self.folder = folder
        self._listing: tuple[int, dict[str, list[str]]] = (-1, {})

    def look_up(self, origin: Origin) -> StoredCase | None:
        """Return the prepared case of an origin, or None.

        Source files are read only where none of the entries has seen them as they are now, and they are
        on this disk.

        Raises:
            DataError: A source file is missing or cannot be read.
        """
        known = self.known(origin)
        if known is not None:
            return known if fault(known.folder, thorough=False) is None else None
        if origin.versions or not self._keys(origin.case_id):
            return None
        key = origin.key(codec())
        found = self.find(origin.case_id, key)
        if found is not None:
            self.remember(origin, key, origin.states())
        return found

    def known(self, origin: Origin) -> StoredCase | None:
        """Return the entry that has seen the source files as they are now, itself unchecked, or None.

        Raises:
            DataError: A source file is missing.
        """
        wanted = (origin.settings_key(codec()), origin.states())
        for key in self._keys(origin.case_id):
            if self._seen(origin.case_id, key) == wanted:
                return StoredCase(origin.case_id, self.entry(origin.case_id, key))
        return None

    def find(self, case_id: str, key: str) -> StoredCase | None:
        """Return the entry of a case under ``key`` if its sizes and headers are right, or None."""
        entry = self.entry(case_id, key)
        return StoredCase(case_id, entry) if fault(entry, thorough=False) is None else None

    def entry(self, case_id: str, key: str) -> Path:
        """Folder of the entry of a case under ``key``."""
        return self.folder / f"{case_id}-{key}"

    @contextlib.contextmanager
    def turn(self, case_id: str, key: str, *, wait: bool) -> Iterator[bool]:
        """Be the only one who prepares an entry; yields whether it is one's turn.

        Args:
            case_id: Name of the case.
            key: Key of the entry.
            wait: Whether to wait for who prepares it now; it is then one's turn always.

        Raises:
            OutputError: The store cannot be written to.
        """
        make_folder(self.folder)
        with contextlib.ExitStack() as stack:
            try:
                mine = stack.enter_context(turn(self.entry(case_id, key), wait=wait))
            except OSError as error:
                raise output_error(self.folder, error) from error
            yield mine

    def write(
        self,
        case_id: str,
        key: str,
        *,
        image: NDArray[np.floating],
        classes: NDArray[np.uint8] | None,
        record: Mapping[str, Any],
    ) -> StoredCase:
        """Write an entry atomically; a sound one that another process finished meanwhile is kept.

        Args:
            case_id: Name of the case.
            key: Key, see :meth:`Origin.key`.
            image: Normalised image ``(C, X, Y, Z)``; stored as float16.
            classes: Class indices, uint8 ``(X, Y, Z)``, or None without a label map.
            record: JSON-serialisable facts to keep.

        Raises:
            OutputError: Disk full, or the folder cannot be written to.
        """
        entry = self.entry(case_id, key)
        make_folder(self.folder)
        temporary = unfinished_path(entry, secrets.token_hex(4))
        try:
            temporary.mkdir()
            for name, data in entry_files(case_id, image, classes, record).items():
                (temporary / name).write_bytes(data)
            self._put(temporary, entry)
        except OSError as error:
            raise output_error(self.folder, error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return StoredCase(case_id, entry)

    def remember(self, origin: Origin, key: str, states: tuple[FileState, ...]) -> None:
        """Note that an entry belongs to files as they are; a store that is read-only stays as it is."""
        content = {
            "settings": origin.settings_key(codec()),
            "files": [dataclasses.asdict(state) for state in states],
        }
        # Without the note everything works, but the files are read again next time.
        with contextlib.suppress(OutputError, OSError):
            write_json(self.entry(origin.case_id, key) / _ORIGIN, content)

    def verify(self, case: StoredCase) -> str | None:
        """Read an entry in full; say what is wrong with it, if anything is, and never find it again."""
        found = fault(case.folder, thorough=True)
        if found is not None:
            mark(case.folder)
        return found

    def sweep(self) -> None:
        """Remove what killed processes have left."""
        sweep(self.folder)

    def _put(self, temporary: Path, entry: Path) -> None:
        try:
            os.replace(temporary, entry)
        except OSError:
            # The name may be taken: by an entry as good as ours, or by one that is damaged.
            if not entry.exists():
                raise
            if fault(entry, thorough=True) is None:
                return
            aside = unfinished_path(entry, secrets.token_hex(4))
            os.replace(entry, aside)
            shutil.rmtree(aside, ignore_errors=True)
            os.replace(temporary, entry)

    def _keys(self, case_id: str) -> list[str]:
        """Keys of the entries of a case.

        The folder is listed again when it has changed: listing ten thousand entries for each of ten
        thousand cases would take minutes.
        """
        try:
            changed = self.folder.stat().st_mtime_ns
            if changed != self._listing[0]:
                self._listing = (changed, self._keys_by_case())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return self._listing[1].get(case_id, [])

    def _keys_by_case(self) -> dict[str, list[str]]:
        keys: defaultdict[str, list[str]] = defaultdict(list)
        for name in sorted(os.listdir(self.folder)):
            case_id, _, key = name.rpartition("-")
            if _KEY.fullmatch(key):
                keys[case_id].append(key)
        return dict(keys)

    def _seen(self, case_id: str, key: str) -> tuple[str, tuple[FileState, ...]] | None:
        """Settings and files that an entry is known to belong to."""
        try:
            content = json.loads((self.entry(case_id, key) / _ORIGIN).read_text(encoding="utf-8"))
            return content["settings"], tuple(FileState(**state) for state in content["files"])
        except (OSError, ValueError, KeyError, TypeError):
            return None  # not noted: the content decides
