"""Which values a volume has, told from its bytes as they pass; a volume is never held whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_VALUES = 12


class ValueTally:
    """Collects values for as long as they could be those of a label map.

    Args:
        dtype: Of the voxels, with its byte order.
        slope: What stored values are multiplied by.
        inter: What is added then.
    """

    def __init__(self, dtype: np.dtype[np.generic], slope: float = 1.0, inter: float = 0.0) -> None:
        self._dtype = dtype
        self._slope, self._inter = slope, inter
        self._rest = b""
        self._found = np.zeros(256, dtype=bool)
        self._fits = True

    def add(self, data: bytes) -> None:
        """Take the next bytes, of any number."""
        if not self._fits:
            return
        data = self._rest + data if self._rest else data
        whole = len(data) - len(data) % self._dtype.itemsize
        self._rest = data[whole:]
        self.add_values(np.frombuffer(data[:whole], dtype=self._dtype))

    def add_values(self, stored: NDArray[np.generic]) -> None:
        """Take the next values, as stored."""
        if not self._fits or not stored.size:
            return
        with np.errstate(all="ignore"):  # what does not fit fails the comparison
            values = stored if (self._slope, self._inter) == (1.0, 0.0) else self._scaled(stored)
            labels = values.astype(np.uint8)
            self._fits = bool(np.array_equal(labels, values))
        if self._fits:
            self._found |= np.bincount(labels.ravel(), minlength=256).astype(bool)
            self._fits = int(self._found.sum()) <= MOST_VALUES

    @property
    def values(self) -> tuple[int, ...] | None:
        """Values in ascending order, or None when they are not those of a label map."""
        return tuple(np.flatnonzero(self._found).tolist()) if self._fits else None

    def _scaled(self, stored: NDArray[np.generic]) -> NDArray[np.float64]:
        return stored.astype(np.float64) * self._slope + self._inter
