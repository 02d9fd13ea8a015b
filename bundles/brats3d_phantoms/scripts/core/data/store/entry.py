# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""One entry of the store: a prepared case, and whether its files are what was written."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.core.data.store.arrays import StoredArray, codec, encoded
from scripts.core.data.store.faults import explained, is_marked
from scripts.core.data.store.foreground import foreground_positions
from scripts.core.errors import DataError

RECORD = "record.json"
_FOREGROUND = "foreground.npz"
_HEAD_BYTES = 4096

Image = StoredArray | NDArray[np.float16]
Classes = StoredArray | NDArray[np.uint8]


@dataclass(frozen=True)
class StoredCase:
    """One prepared case; arrays stay in their files and are read in parts.

    Attributes:
        case_id: Name of the case.
        folder: Folder of the entry.
    """

    case_id: str
    folder: Path

    def image(self) -> Image:
        """Normalised image, float16 ``(C, X, Y, Z)``."""
        return self._array("image")

    def classes(self) -> Classes:
        """Class indices, uint8 ``(X, Y, Z)``.

        Raises:
            DataError: The case was prepared without a label map.
        """
        if "classes" not in self._content["arrays"]:
            raise DataError("case without a label map", where=self.case_id, expected="a labelled case")
        return self._array("classes")

    @property
    def record(self) -> dict[str, Any]:
        """What was stored beside the arrays (the way back to the original grid)."""
        record: dict[str, Any] = self._content["record"]
        return record

    @cached_property
    def foreground(self) -> dict[int, NDArray[np.int16]]:
        """Class index to up to 4096 voxel positions ``(n, 3)`` drawn evenly from that class."""
        path = self.folder / _FOREGROUND
        with explained(path), np.load(path) as file:
            return {int(name): file[name] for name in file.files}

    def classes_present(self) -> frozenset[int]:
        """Indices of the classes that occur, background left out.

        Raises:
            DataError: The files are damaged.
        """
        path = self.folder / _FOREGROUND
        with explained(path), np.load(path) as file:
            return frozenset(map(int, file.files))

    @cached_property
    def _content(self) -> dict[str, Any]:
        path = self.folder / RECORD
        with explained(path):
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return content

    def _array(self, name: str) -> StoredArray:
        array, files = self._content["arrays"][name], self._content["files"]
        file = array["file"]
        return StoredArray(
            self.folder / file, files[file]["bytes"], tuple(array["shape"]), np.dtype(array["dtype"])
        )


def entry_files(
    case_id: str,
    image: NDArray[np.floating],
    classes: NDArray[np.uint8] | None,
    record: Mapping[str, Any],
) -> dict[str, bytes]:
    """File name to content of an entry; the record, which vouches for the others, comes last."""
    arrays: dict[str, NDArray[Any]] = {"image": image.astype(np.float16)}
    files: dict[str, bytes] = {}
    if classes is not None:
        arrays["classes"] = classes
        packed = io.BytesIO()
        np.savez(packed, **foreground_positions(classes))  # type: ignore[arg-type]
        files[_FOREGROUND] = packed.getvalue()
    described = {}
    for name, array in arrays.items():
        file = f"{name}.{codec()}"
        files[file] = encoded(array)
        described[name] = {"file": file, "shape": array.shape, "dtype": array.dtype.name}
    content = {
        "case_id": case_id,
        "record": record,
        "arrays": described,
        "files": {
            name: {"bytes": len(data), "head": _digest(data[:_HEAD_BYTES]), "sha256": _digest(data)}
            for name, data in files.items()
        },
    }
    return {**files, RECORD: json.dumps(content).encode()}


def fault(entry: Path, *, thorough: bool) -> str | None:
    """What is wrong with the files of an entry, or None.

    Args:
        entry: Folder of the entry.
        thorough: Whether to read everything, or sizes and headers alone.
    """
    if is_marked(entry):
        return "could not be read before"
    try:
        files = json.loads((entry / RECORD).read_text(encoding="utf-8"))["files"]
        for name, expected in files.items():
            path = entry / name
            if path.stat().st_size != expected["bytes"]:
                return f"{name} has {path.stat().st_size} bytes instead of {expected['bytes']}"
            with path.open("rb") as file:
                digest = _digest(file.read() if thorough else file.read(_HEAD_BYTES))
            if digest != expected["sha256" if thorough else "head"]:
                return f"{name} is not what was written"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
