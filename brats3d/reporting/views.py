"""Slices of volumes as pictures in the radiological convention.

Axial and coronal slices are seen from the patient's feet and face, so that the patient's right is on the
left of the picture; sagittal ones have the face on the left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Plane:
    """A direction to look from, in volumes whose axes lead to the right, to the front and upwards (RAS+).

    Attributes:
        name: axial, coronal or sagittal.
        axis: Axis that slices are counted along.
        across: Axis that runs from the right to the left of a picture, backwards along which it is drawn.
        up: Axis that runs upwards.
        letters: What lies on the left, on the right, at the top and at the bottom.
    """

    name: str
    axis: int
    across: int
    up: int
    letters: tuple[str, str, str, str]

    def picture(self, volume: NDArray[np.generic], index: int) -> NDArray[np.generic]:
        """Cut out a slice.

        Args:
            volume: ``(X, Y, Z)`` in RAS+.
            index: Number of the slice.

        Returns:
            ``(rows, columns)``, the first row at the top.
        """
        cut = np.take(volume, index, axis=self.axis)
        rows_first = cut.T if self.across < self.up else cut
        return rows_first[::-1, ::-1]

    def pixel_aspect(self, spacing_mm: tuple[float, float, float]) -> float:
        """Height of a voxel of the picture over its width."""
        return spacing_mm[self.up] / spacing_mm[self.across]

    def size_mm(self, box: Box, spacing_mm: tuple[float, float, float]) -> tuple[float, float]:
        """Width and height of the picture of a box."""
        sides = [(span.stop - span.start) * size for span, size in zip(box, spacing_mm, strict=True)]
        return sides[self.across], sides[self.up]


PLANES: Mapping[str, Plane] = MappingProxyType(
    {
        plane.name: plane
        for plane in (
            Plane("axial", axis=2, across=0, up=1, letters=("R", "L", "A", "P")),
            Plane("coronal", axis=1, across=0, up=2, letters=("R", "L", "S", "I")),
            Plane("sagittal", axis=0, across=1, up=2, letters=("A", "P", "S", "I")),
        )
    }
)


def planes_of(shape: tuple[int, ...]) -> tuple[Plane, ...]:
    """Planes that a volume can be looked at in: all three, or the only one of a single slice."""
    single = [plane for plane in PLANES.values() if shape[plane.axis] == 1]
    return tuple(single[:1]) or tuple(PLANES.values())


def largest_slice(mask: NDArray[np.bool_], plane: Plane) -> int:
    """Return the number of the slice that has most of ``mask``, the first of equals."""
    others = tuple(axis for axis in range(3) if axis != plane.axis)
    return int(np.argmax(mask.sum(axis=others)))


def central_voxel(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> tuple[int, int, int]:
    """Return the voxel of ``mask``, bool ``(X, Y, Z)`` and not empty, that is closest to its centre.

    The centre itself may lie outside, as in a ring or between two lesions.
    """
    voxels = np.argwhere(mask)
    distances = (((voxels - voxels.mean(axis=0)) * np.array(spacing_mm)) ** 2).sum(axis=1)
    x, y, z = voxels[int(np.argmin(distances))].tolist()
    return x, y, z


def box_around(mask: NDArray[np.bool_], margin: int) -> Box:
    """Box that holds ``mask``, bool ``(X, Y, Z)``, and some voxels around it; everything if it is empty."""
    spans = []
    for axis, size in enumerate(mask.shape):
        inside = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        if not inside.size:
            return (slice(0, mask.shape[0]), slice(0, mask.shape[1]), slice(0, mask.shape[2]))
        spans.append(slice(max(int(inside[0]) - margin, 0), min(int(inside[-1]) + 1 + margin, size)))
    return (spans[0], spans[1], spans[2])
