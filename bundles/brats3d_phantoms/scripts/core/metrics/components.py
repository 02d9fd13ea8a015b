# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Connected components and dilation, the building blocks of lesion-wise scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[np.int32]


def label_components(mask: NDArray[np.bool_]) -> tuple[Labels, int]:
    """Number the connected components; voxels that share a corner belong together.

    Args:
        mask: Bool ``(*S)``, two or three axes (8- or 26-connected).

    Returns:
        Int32 ``(*S)``, 0 outside and 1 to ``n`` inside, and ``n``.
    """
    labels, count = ndimage.label(mask, structure=np.ones((3,) * mask.ndim, dtype=bool))
    return labels, int(count)


def dilate(mask: NDArray[np.bool_], iterations: int) -> NDArray[np.bool_]:
    """Grow a mask by the voxels that share a face or an edge with it (18 neighbours; in 2-D all 8).

    Args:
        mask: Bool ``(*S)``, two or three axes.
        iterations: How often, 0 or more.

    Returns:
        Bool ``(*S)``; what would grow beyond the array is cut off.
    """
    grown = mask
    for _ in range(iterations):
        if grown.ndim == 2:
            grown = _spread(_spread(grown, 0), 1)
            continue
        first, second = _spread(grown, 0), _spread(grown, 1)
        # The union of three squares, one in each plane, is the cube without its corners.
        grown = _spread(first, 1)
        grown |= _spread(first, 2)
        grown |= _spread(second, 2)
    return grown


def _spread(mask: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Grow by one voxel to both sides along one axis."""
    grown = mask.copy()
    ahead = (*(slice(None),) * axis, slice(1, None))
    behind = (*(slice(None),) * axis, slice(None, -1))
    grown[ahead] |= mask[behind]
    grown[behind] |= mask[ahead]
    return grown
