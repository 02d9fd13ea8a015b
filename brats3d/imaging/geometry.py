"""Where a voxel grid lies in the patient: shape and affine in millimetres (RAS+, as NIfTI has it)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AFFINE_TOLERANCE_MM = 1e-2


@dataclass(frozen=True, eq=False)
class Geometry:
    """Voxel grid of an image.

    Attributes:
        shape: Voxels along each spatial axis, three values.
        affine: Float64 ``(4, 4)``, voxel index to millimetres in RAS+.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along each axis in millimetres."""
        x, y, z = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0)).tolist()
        return (x, y, z)

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def difference(self, other: Geometry, tolerance_mm: float = AFFINE_TOLERANCE_MM) -> str | None:
        """Say in words how ``other`` differs, or return None when both grids are the same.

        Args:
            other: Geometry to compare with.
            tolerance_mm: Largest shift of a grid corner that still counts as the same.
        """
        if self.shape != other.shape:
            return f"shape {other.shape} instead of {self.shape}"
        corners = np.array(np.meshgrid(*[(0, size - 1) for size in self.shape])).reshape(3, -1)
        corners = np.vstack([corners, np.ones(corners.shape[1])])
        shift = np.abs(((self.affine - other.affine) @ corners)[:3])
        if float(shift.max()) <= tolerance_mm:
            return None
        if not np.allclose(self.affine[:3, :3], other.affine[:3, :3], atol=1e-3):
            if not np.allclose(self.spacing_mm, other.spacing_mm, atol=1e-3):
                return f"spacing {_rounded(other.spacing_mm)} mm instead of {_rounded(self.spacing_mm)} mm"
            return "orientation of the axes"
        return f"origin {_rounded(other.affine[:3, 3])} mm instead of {_rounded(self.affine[:3, 3])} mm"


def _rounded(values: object) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in np.asarray(values).tolist())
