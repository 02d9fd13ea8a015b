# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Arrays in files that are read in parts: chunked and compressed, or plain where Blosc2 is missing.

Cubic blocks of 32 voxels, LZ4-HC and byte shuffling were chosen by measuring on a BraTS 2021 case: a
random patch of 128 voxels along each axis takes about the same time with any block shape that was
tried; Zstandard takes twice the time for files a tenth smaller, bit shuffling is slower and larger.
"""

from __future__ import annotations

import importlib.util
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from scripts.core.data.store.faults import explained

_CHUNK = 64
_BLOCK = 32
_LEVEL = 5


def codec() -> str:
    """How arrays are written here: ``b2nd`` (Blosc2), or ``npy`` where that package is not installed."""
    return "b2nd" if importlib.util.find_spec("blosc2") is not None else "npy"


def encoded(array: NDArray[Any]) -> bytes:
    """Content of the file of an array of three or more axes, the last three of them spatial."""
    contiguous = np.ascontiguousarray(array)
    if codec() == "npy":
        file = io.BytesIO()
        np.save(file, contiguous)
        return file.getvalue()
    import blosc2

    chunks = [min(_CHUNK, extent) for extent in contiguous.shape[-3:]]
    leading = [1] * (contiguous.ndim - 3)
    compressed = blosc2.asarray(
        contiguous,
        chunks=(*leading, *chunks),
        blocks=(*leading, *(min(_BLOCK, extent) for extent in chunks)),
        cparams=blosc2.CParams(
            codec=blosc2.Codec.LZ4HC,
            clevel=_LEVEL,
            filters=[blosc2.Filter.SHUFFLE],
            filters_meta=[0],
            nthreads=1,
        ),
    )
    return bytes(compressed.to_cframe())


@dataclass(frozen=True)
class StoredArray:
    """An array in a file, memory-mapped; an index reads that part alone, as a copy.

    Each access opens the file anew, which takes little: so it may cross process borders, and a file
    that is gone or damaged meanwhile is told as such.

    Attributes:
        path: File.
        size: Its length in bytes.
        shape: Extent along each axis.
        dtype: Type of the elements.
    """

    path: Path
    size: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Read a part; whole numbers and slices without a step read no more than that part.

        Raises:
            DataError: The file is gone or damaged.
        """
        parts = index if isinstance(index, tuple) else (index,)
        if not all(_is_plain(part) for part in parts):
            return self._box([slice(0, extent) for extent in self.shape])[index]
        parts += (slice(None),) * (len(self.shape) - len(parts))
        box = [_span(part, extent) for part, extent in zip(parts, self.shape, strict=True)]
        return self._box(box)[tuple(slice(None) if isinstance(part, slice) else 0 for part in parts)]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Read everything.

        Raises:
            DataError: The file is gone or damaged.
        """
        return self[...].astype(dtype or self.dtype, copy=False)

    def __len__(self) -> int:
        return self.shape[0]

    def _box(self, box: list[slice]) -> NDArray[Any]:
        if not math.prod(span.stop - span.start for span in box):
            return np.empty([span.stop - span.start for span in box], dtype=self.dtype)
        with explained(self.path, self.size):
            if self.path.suffix == ".npy":
                return np.array(np.load(self.path, mmap_mode="r")[tuple(box)])
            import blosc2

            opened = blosc2.open(str(self.path), mode="r", mmap_mode="r", dparams=blosc2.DParams(nthreads=1))
            return np.asarray(opened[tuple(box)])


def _is_plain(part: Any) -> bool:
    if isinstance(part, slice):
        return part.step in (None, 1)
    return isinstance(part, int | np.integer) and not isinstance(part, bool)


def _span(part: Any, extent: int) -> slice:
    if isinstance(part, slice):
        low, high, _ = part.indices(extent)
        return slice(low, max(low, high))
    if not -extent <= part < extent:
        raise IndexError(f"index {part} is out of bounds for an axis of {extent}")
    first = int(part) % extent
    return slice(first, first + 1)
