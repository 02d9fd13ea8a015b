"""The surface of a region as triangles (marching cubes), in millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brats3d.extras import import_extra

_HALFWAY = 0.5


@dataclass(frozen=True, eq=False)
class Mesh:
    """Closed triangle mesh.

    Attributes:
        vertices: Float64 ``(V, 3)``, voxel indices with fractions.
        faces: Indices of vertices, int ``(F, 3)``, all turned the same way.
        axes_mm: Float64 ``(3, 3)``; its columns are the steps from voxel to voxel in millimetres.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.integer[Any]]
    axes_mm: NDArray[np.float64]

    @cached_property
    def points_mm(self) -> NDArray[np.float64]:
        """Vertices in millimetres from their mean, ``(V, 3)``."""
        points = self.vertices @ self.axes_mm.T
        return np.asarray(points - points.mean(axis=0))

    @cached_property
    def _corners(self) -> tuple[NDArray[np.float64], ...]:
        return tuple(self.points_mm[self.faces[:, corner]] for corner in range(3))

    @property
    def area_mm2(self) -> float:
        """Sum of the areas of the triangles."""
        first, second, third = self._corners
        return float(np.linalg.norm(np.cross(second - first, third - first), axis=1).sum() / 2)

    @property
    def volume_mm3(self) -> float:
        """What the surface encloses: the sum of signed tetrahedra."""
        first, second, third = self._corners
        return float(abs((first * np.cross(second, third)).sum()) / 6)

    @property
    def box_mm(self) -> NDArray[np.float64]:
        """Edges of the smallest box along the axes of the image, ``(3,)``."""
        return np.asarray(np.ptp(self.vertices, axis=0) * np.linalg.norm(self.axes_mm, axis=0))

    @cached_property
    def hull(self) -> Any:
        """Convex hull (``scipy.spatial.ConvexHull``) of the vertices."""
        from scipy.spatial import ConvexHull

        return ConvexHull(self.points_mm)

    @property
    def diameter_mm(self) -> float:
        """Distance between the two vertices that are farthest apart; both are on the convex hull."""
        from scipy.spatial.distance import pdist

        return float(pdist(self.points_mm[self.hull.vertices]).max())


def surface_mesh(mask: NDArray[np.bool_], axes_mm: NDArray[np.float64]) -> Mesh:
    """Put a surface around a region, halfway between voxels inside and outside.

    Args:
        mask: Bool ``(X, Y, Z)`` with at least one voxel; beyond the array is outside.
        axes_mm: Float64 ``(3, 3)``, the linear part of the affine.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    measure = import_extra(
        "skimage.measure",
        "the morphology of regions",
        "features",
        package="scikit-image",
        instead="leave morphology out of families",
    )
    vertices, faces, _, _ = measure.marching_cubes(np.pad(mask, 1).astype(np.float32), _HALFWAY)
    return Mesh(vertices.astype(np.float64), faces, np.asarray(axes_mm, dtype=np.float64))
