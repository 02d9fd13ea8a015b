"""Grey level co-occurrence matrices: how often levels are neighbours, direction by direction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from brats3d.features.discretisation import Levels

DIRECTIONS: tuple[tuple[int, int, int], ...] = tuple(
    (x, y, z)
    for x in (0, 1)
    for y in (-1, 0, 1)
    for z in (-1, 0, 1)
    if (x, y, z) > (0, 0, 0)  # of two opposite directions only one: matrices are symmetric
)
"""The 13 directions of the neighbours of a voxel."""


@dataclass(frozen=True)
class Aggregation:
    """Which matrices are summed before features are computed; features of what remains are averaged.

    Attributes:
        ibsi: Code in the IBSI manual.
        text: What it does.
        in_slices: Whether neighbours are looked for within slices only (4 directions instead of 13).
        by_slice: Whether slices have matrices of their own.
        by_direction: Whether directions have matrices of their own.
    """

    ibsi: str
    text: str
    in_slices: bool
    by_slice: bool
    by_direction: bool


AGGREGATIONS: Mapping[str, Aggregation] = MappingProxyType(
    {
        "2d_averaged": Aggregation(
            "BTW3", "a matrix per slice and direction, features averaged", True, True, True
        ),
        "2d_slice_merged": Aggregation("SUJT", "a matrix per slice, features averaged", True, True, False),
        "25d_direction_merged": Aggregation(
            "JJUI", "a matrix per direction within slices, features averaged", True, False, True
        ),
        "25d_merged": Aggregation("ZW7Z", "one matrix of all directions within slices", True, False, False),
        "3d_averaged": Aggregation("ITBB", "a matrix per direction, features averaged", False, False, True),
        "3d_merged": Aggregation("IAZD", "one matrix of all directions", False, False, False),
    }
)


class Neighbours:
    """Voxels of a region and their levels, laid out so that neighbours are found by a step in memory.

    Args:
        mask: Bool ``(X, Y, Z)``.
        levels: Levels of its voxels, in the order of ``mask.nonzero()``.
        distance: Chebyshev distance of neighbours in voxels, 1 or more.
        slice_axis: Axis across the slices.
    """

    def __init__(
        self, mask: NDArray[np.bool_], levels: Levels, *, distance: int = 1, slice_axis: int = 2
    ) -> None:
        padded = np.zeros([size + 2 * distance for size in mask.shape], dtype=np.int64)
        inner = tuple(slice(distance, distance + size) for size in mask.shape)
        padded[inner][mask] = levels.values
        strides = (padded.shape[1] * padded.shape[2], padded.shape[2], 1)
        self._steps = {
            direction: distance * sum(way * stride for way, stride in zip(direction, strides, strict=True))
            for direction in DIRECTIONS
        }
        self._flat = padded.ravel()
        self._places = np.flatnonzero(self._flat)
        self._slices = mask.nonzero()[slice_axis]
        self._slice_axis = slice_axis
        self.count = levels.count

    def matrices(self, aggregation: Aggregation) -> Iterator[NDArray[np.float64]]:
        """Yield symmetric matrices ``(count, count)`` of counts; those without any neighbours are left out.

        Args:
            aggregation: Which ones are summed.
        """
        directions = [d for d in DIRECTIONS if not (aggregation.in_slices and d[self._slice_axis])]
        groups = [[d] for d in directions] if aggregation.by_direction else [directions]
        for places in self._groups_of_places(aggregation.by_slice):
            for group in groups:
                counts = sum(self._pairs(places, direction) for direction in group)
                assert isinstance(counts, np.ndarray)
                if counts.any():
                    yield (counts + counts.T).astype(np.float64)

    def _groups_of_places(self, by_slice: bool) -> list[NDArray[np.intp]]:
        if not by_slice:
            return [self._places]
        order = np.argsort(self._slices, kind="stable")
        ends = np.flatnonzero(np.diff(self._slices[order])) + 1
        return np.split(self._places[order], ends)

    def _pairs(self, places: NDArray[np.intp], direction: tuple[int, int, int]) -> NDArray[np.intp]:
        size = self.count + 1
        pairs = self._flat[places] * size + self._flat[places + self._steps[direction]]
        return np.bincount(pairs, minlength=size * size).reshape(size, size)[1:, 1:]
