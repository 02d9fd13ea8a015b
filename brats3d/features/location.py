"""Where a region lies: in millimetres of the header's space, and relative to the brain."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from brats3d.features.definitions import MM, NUMBER, Definition, Definitions

LOCATION: Definitions = MappingProxyType(
    {
        "loc_centre_of_mass_x": Definition(MM, "", "mean of the voxel centres in RAS+ space, to the right"),
        "loc_centre_of_mass_y": Definition(MM, "", "the same, to the front"),
        "loc_centre_of_mass_z": Definition(MM, "", "the same, to the top"),
    }
)

BRAIN_LOCATION: Definitions = MappingProxyType(
    {
        "loc_from_brain_centre_x": Definition(
            MM, "", "centre of mass minus that of the brain, to the right in RAS+ space"
        ),
        "loc_from_brain_centre_y": Definition(MM, "", "the same, to the front"),
        "loc_from_brain_centre_z": Definition(MM, "", "the same, to the top"),
        "loc_from_brain_centre_distance": Definition(MM, "", "length of that offset"),
        "loc_hemisphere": Definition(
            NUMBER, "", "side of the brain's centre plane that the centre of mass is on: -1 left, 1 right"
        ),
        "loc_left_fraction": Definition(NUMBER, "", "share of the voxels to the left of the brain's centre"),
        "loc_brain_fraction": Definition(NUMBER, "", "voxels of the region by voxels of the brain"),
    }
)

# A centre this close to the plane is in it; coordinates in float64 round to some 1e-13 mm.
_IN_PLANE_MM = 1e-6


@dataclass(frozen=True)
class Brain:
    """What locations refer to.

    Attributes:
        centre_mm: Mean of the brain's voxel centres in RAS+ millimetres. The sagittal plane through it
            stands for the midline.
        voxels: Number of voxels, at least one.
    """

    centre_mm: tuple[float, float, float]
    voxels: int

    @classmethod
    def of_mask(cls, mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> Brain:
        """Measure a mask, bool ``(X, Y, Z)`` with at least one voxel; ``affine`` is that of its grid."""
        counts = [mask.sum(axis=tuple({0, 1, 2} - {axis}), dtype=np.int64) for axis in range(3)]
        voxels = int(counts[0].sum())
        centre = np.array([float(count @ np.arange(count.size)) / voxels for count in counts])
        x, y, z = (affine[:3, :3] @ centre + affine[:3, 3]).tolist()
        return cls((x, y, z), voxels)


def location(
    mask: NDArray[np.bool_], affine: NDArray[np.float64], brain: Brain | None = None
) -> dict[str, float]:
    """Find where a region lies.

    Args:
        mask: Bool ``(X, Y, Z)`` with at least one voxel.
        affine: Float64 ``(4, 4)``, index in ``mask`` to RAS+ millimetres.
        brain: What it lies in, if that is known.

    Returns:
        Features of :data:`LOCATION`, and with a brain those of :data:`BRAIN_LOCATION`.
    """
    points = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    centre = points.mean(axis=0)
    found = dict(zip(LOCATION, centre.tolist(), strict=True))
    if brain is None:
        return found
    offset = centre - brain.centre_mm
    beside = points[:, 0] - brain.centre_mm[0]
    in_plane = np.abs(beside) <= _IN_PLANE_MM
    values = (
        *offset.tolist(),
        float(np.linalg.norm(offset)),
        0.0 if abs(offset[0]) <= _IN_PLANE_MM else float(np.sign(offset[0])),
        float(((beside < 0) & ~in_plane).mean() + in_plane.mean() / 2),
        len(points) / brain.voxels,
    )
    return found | dict(zip(BRAIN_LOCATION, values, strict=True))
