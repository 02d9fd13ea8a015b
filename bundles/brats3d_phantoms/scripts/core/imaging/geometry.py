# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Where a voxel grid lies in the patient: shape and affine in millimetres (RAS+, as NIfTI has it).

Pictures do not say how large a pixel is. Their unit of length is then the pixel, and so are, whatever
their names say, all distances that are measured in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AFFINE_TOLERANCE_MM = 1e-2

MILLIMETRE, PIXEL = "mm", "pixel"


@dataclass(frozen=True, eq=False)
class Geometry:
    """Voxel grid of an image.

    Attributes:
        shape: Voxels along each spatial axis, three values.
        affine: Float64 ``(4, 4)``, voxel index to millimetres in RAS+.
        unit: ``mm``, or ``pixel`` where the image does not say how large its pixels are.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    unit: str = MILLIMETRE

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along each axis in millimetres (in :attr:`unit`)."""
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
        ends = np.array([(0, size - 1) for size in self.shape], dtype=np.float64)
        corners = np.array(np.meshgrid(*ends)).reshape(3, -1)
        turned = (self.affine - other.affine)[:3, :3] @ corners
        moved = (self.affine - other.affine)[:3, 3:]
        if np.abs(turned + moved).max() <= tolerance_mm:
            return None
        if np.abs(turned).max() <= tolerance_mm:
            ours, theirs = _shown(self.affine[:3, 3]), _shown(other.affine[:3, 3])
            return f"origin {theirs} mm instead of {ours} mm"
        longer = np.subtract(self.spacing_mm, other.spacing_mm) * ends[:, 1]
        if np.abs(longer).max() > tolerance_mm:
            return f"spacing {_shown(other.spacing_mm)} mm instead of {_shown(self.spacing_mm)} mm"
        return "orientation of the axes"


def _shown(values: object) -> tuple[float, ...]:
    return tuple(float(f"{value:.7g}") for value in np.asarray(values).tolist())
