"""The largest diameter of a region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def largest_diameter_mm(mask: NDArray[np.bool_], axes_mm: NDArray[np.float64]) -> float:
    """Largest distance between two points of a region's surface.

    The surface is that of ``morph_maximum_3d_diameter`` (IBSI L0JK): between voxels inside and outside it
    passes halfway, and these points are all the vertices that its mesh has. They are found without the mesh.

    Args:
        mask: Bool ``(X, Y, Z)`` or ``(X, Y)`` with at least one voxel; beyond the array is outside.
        axes_mm: Float64 ``(3, 3)`` or ``(2, 2)``; its columns are the steps from voxel to voxel.
    """
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import pdist

    padded = np.pad(mask, 1)
    halfway = []
    for axis in range(mask.ndim):
        before, behind = (
            padded[(slice(None),) * axis + (part,)] for part in (slice(None, -1), slice(1, None))
        )
        vertices = np.argwhere(before != behind).astype(np.float64)
        vertices[:, axis] += 0.5
        halfway.append(vertices)
    points = np.concatenate(halfway) @ axes_mm.T
    return float(pdist(points[ConvexHull(points).vertices]).max())
