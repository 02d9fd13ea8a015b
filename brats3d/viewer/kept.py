"""Probabilities of a case on disk, of which only what matters at some thresholds is read again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brats3d.errors import output_error

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class KeptProbabilities:
    """Probabilities in a file, in full precision; what is 0 around them is left out.

    Attributes:
        path: File of an array float32 ``(R, *box)``.
        shape: ``(R, X, Y, Z)`` of the whole.
        box: Where in ``(X, Y, Z)`` the array lies.
        peaks: Largest probability of any region in each plane across each axis of the whole.
    """

    path: Path
    shape: tuple[int, ...]
    box: Box
    peaks: tuple[NDArray[np.float32], ...]

    @classmethod
    def keep(cls, probabilities: NDArray[np.float32], path: Path) -> KeptProbabilities:
        """Write probabilities ``(R, X, Y, Z)``.

        Raises:
            OutputError: The disk is full.
        """
        # What is no number (fmax passes over it) is above no threshold.
        highest = np.fmax.reduce(probabilities, axis=0)
        planes = ((1, 2), (0, 2), (0, 1))
        peaks = tuple(np.fmax.reduce(highest, axis=axes) for axes in planes)
        box = _box_above(peaks, 0.0)
        try:
            np.save(path, probabilities[(slice(None), *box)], allow_pickle=False)
        except OSError as error:
            raise output_error(path, error) from error
        return cls(path, probabilities.shape, box, peaks)

    def above(self, threshold: float) -> tuple[Box, NDArray[np.float32]]:
        """Smallest box that holds every probability of ``threshold`` or more, and what is in it.

        Returns:
            The box in ``(X, Y, Z)``, empty where there is none, and the probabilities ``(R, *box)``.
        """
        box = _box_above(self.peaks, threshold)
        inner = tuple(
            slice(max(span.start - own.start, 0), max(span.stop - own.start, 0))
            for span, own in zip(box, self.box, strict=True)
        )
        if any(span.stop <= span.start for span in box):  # there is no mapping of nothing
            return box, np.zeros((self.shape[0], 0, 0, 0), dtype=np.float32)
        return box, np.load(self.path, mmap_mode="r", allow_pickle=False)[(slice(None), *inner)]

    def whole(self) -> NDArray[np.float32]:
        """All probabilities, ``(R, X, Y, Z)``."""
        result = np.zeros(self.shape, dtype=np.float32)
        result[(slice(None), *self.box)] = np.load(self.path, allow_pickle=False)
        return result


def _box_above(peaks: tuple[NDArray[np.float32], ...], threshold: float) -> Box:
    spans = []
    for along in peaks:
        reached = np.flatnonzero((along >= threshold) & (along > 0))
        spans.append(slice(int(reached[0]), int(reached[-1]) + 1) if reached.size else slice(0, 0))
    x, y, z = spans
    return x, y, z
