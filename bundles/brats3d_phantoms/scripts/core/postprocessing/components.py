# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Connected components of binary masks (26 neighbours in 3-D, 8 in 2-D)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# Voxel volumes are products of rounded spacings: a component of exactly the limit stays.
_VOLUME_TOLERANCE = 1e-6


def without_small_components(
    mask: NDArray[np.bool_], min_volume_ml: float, voxel_volume_ml: float
) -> NDArray[np.bool_]:
    """Remove the components of less than ``min_volume_ml`` from a mask ``(*S)``."""
    min_voxels = math.ceil(min_volume_ml / voxel_volume_ml * (1 - _VOLUME_TOLERANCE))
    if min_voxels <= 1:
        return mask
    return _keep(mask, lambda sizes: sizes >= min_voxels)


def largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the largest component of a mask ``(*S)``; of several, the first in array order."""
    return _keep(mask, lambda sizes: np.arange(sizes.size) == sizes.argmax())


def _keep(
    mask: NDArray[np.bool_], chosen: Callable[[NDArray[np.intp]], NDArray[np.bool_]]
) -> NDArray[np.bool_]:
    """Keep the components that ``chosen`` picks by their numbers of voxels."""
    box = bounding_box(mask)
    if box is None:
        return mask
    components, _ = ndimage.label(mask[box], structure=np.ones((3,) * mask.ndim))
    kept = np.concatenate([[False], chosen(np.bincount(components.ravel())[1:])])
    result = np.zeros_like(mask)
    result[box] = kept[components]
    return result


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, ...] | None:
    """Smallest box that holds the mask, or None when it is empty."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        filled = np.flatnonzero(mask.any(axis=others))
        if not filled.size:
            return None
        box.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return tuple(box)
