"""Prepared cases on disk, memory-mapped: each case is preprocessed once, then patches are read.

An entry is a folder named ``<case id>-<fingerprint>``. The fingerprint covers the source files (path,
size, time of change) and the preprocessing settings, so a changed file or setting never meets a
stale entry. Entries appear by renaming a finished folder: readers and other processes see all of an
entry or nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brats3d.errors import DataError, output_error
from brats3d.files import make_folder

_FOREGROUND_SAMPLES = 4096
_FORMAT = 1


@dataclass(frozen=True)
class StoredCase:
    """One prepared case; arrays are memory-mapped and read on access.

    Attributes:
        case_id: Name of the case.
        folder: Folder of the entry.
    """

    case_id: str
    folder: Path

    def image(self) -> NDArray[np.float16]:
        """Normalised image, float16 ``(C, X, Y, Z)``, memory-mapped and read-only."""
        return np.load(self.folder / "image.npy", mmap_mode="r")

    def classes(self) -> NDArray[np.uint8]:
        """Class indices, uint8 ``(X, Y, Z)``, memory-mapped and read-only.

        Raises:
            DataError: The case was prepared without a label map.
        """
        path = self.folder / "classes.npy"
        if not path.exists():
            raise DataError("case without a label map", where=self.case_id, expected="a labelled case")
        return np.load(path, mmap_mode="r")

    @cached_property
    def record(self) -> dict[str, Any]:
        """What was stored beside the arrays (the way back to the original grid)."""
        return json.loads((self.folder / "record.json").read_text(encoding="utf-8"))["record"]

    @cached_property
    def foreground(self) -> dict[int, NDArray[np.int16]]:
        """Class index to up to 4096 voxel positions ``(n, 3)`` drawn evenly from that class."""
        with np.load(self.folder / "foreground.npz") as file:
            return {int(name): file[name] for name in file.files}


def fingerprint(paths: Iterable[Path], settings: str) -> str:
    """Hash the identity of source files and the settings they are prepared with.

    Raises:
        DataError: A source file is missing.
    """
    digest = hashlib.sha256(f"{_FORMAT}\n{settings}".encode())
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(
                "file not found", where=path, remedy="check the path, or whether a link points to nothing"
            ) from error
        digest.update(f"\n{path.resolve()}\t{status.st_size}\t{status.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


class PreparedStore:
    """Folder of prepared cases."""

    def __init__(self, folder: Path) -> None:
        """Remember the folder; it is created on the first write."""
        self.folder = folder

    def find(self, case_id: str, key: str) -> StoredCase | None:
        """Return the entry of a case with fingerprint ``key``, or None."""
        entry = self._entry(case_id, key)
        return StoredCase(case_id, entry) if (entry / "record.json").is_file() else None

    def write(
        self,
        case_id: str,
        key: str,
        *,
        image: NDArray[np.floating],
        classes: NDArray[np.uint8] | None,
        record: Mapping[str, Any],
    ) -> StoredCase:
        """Write an entry atomically; an entry that another process finished meanwhile is kept.

        Args:
            case_id: Name of the case.
            key: Fingerprint, see :func:`fingerprint`.
            image: Normalised image ``(C, X, Y, Z)``; stored as float16.
            classes: Class indices, uint8 ``(X, Y, Z)``, or None without a label map.
            record: JSON-serialisable facts to keep.

        Raises:
            OutputError: Disk full, or the folder cannot be written to.
        """
        entry = self._entry(case_id, key)
        make_folder(self.folder)
        temporary = self.folder / f".{secrets.token_hex(4)}.tmp"
        try:
            temporary.mkdir()
            _save(temporary / "image.npy", image.astype(np.float16))
            if classes is not None:
                _save(temporary / "classes.npy", classes)
                np.savez(temporary / "foreground.npz", **_foreground_positions(classes))  # type: ignore[arg-type]
            content = {"case_id": case_id, "record": record}
            (temporary / "record.json").write_text(json.dumps(content), encoding="utf-8")
            try:
                os.replace(temporary, entry)
            except OSError:
                if not (entry / "record.json").is_file():
                    raise
        except OSError as error:
            raise output_error(self.folder, error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return StoredCase(case_id, entry)

    def _entry(self, case_id: str, key: str) -> Path:
        return self.folder / f"{case_id}-{key}"


def _save(path: Path, array: NDArray[Any]) -> None:
    """Write ``.npy``; ``numpy.save`` does not say why a disk takes no more."""
    contiguous = np.ascontiguousarray(array)
    with path.open("wb") as file:
        header = np.lib.format.header_data_from_array_1_0(contiguous)
        np.lib.format.write_array_header_1_0(file, header)
        file.write(contiguous.data.cast("B"))


def _foreground_positions(classes: NDArray[np.uint8]) -> dict[str, NDArray[np.int16]]:
    generator = np.random.default_rng(0)
    positions = {}
    inside = np.argwhere(classes)
    values = classes[tuple(inside.T)]
    for index in np.unique(values).tolist():
        of_class = inside[values == index]
        if len(of_class) > _FOREGROUND_SAMPLES:
            of_class = of_class[generator.choice(len(of_class), _FOREGROUND_SAMPLES, replace=False)]
        positions[str(index)] = of_class.astype(np.int16)
    return positions
