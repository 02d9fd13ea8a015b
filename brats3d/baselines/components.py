"""Pieces of a mask: which one to keep, what it encloses, and the box around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def ball(radius: int, dimensions: int) -> NDArray[np.bool_]:
    """Voxels within ``radius`` of the centre, bool ``(2 * radius + 1,) * dimensions``."""
    offsets = np.indices((2 * radius + 1,) * dimensions) - radius
    return (offsets**2).sum(axis=0) <= radius**2


def thickest_component(mask: NDArray[np.bool_], opening: int) -> NDArray[np.bool_]:
    """Keep the component of ``(*S)`` that holds the largest ball; of several, the first in array order.

    Bright rims of cortex and ventricles may have more voxels than a tumour, but they are thin.

    Args:
        mask: Bool ``(*S)``.
        opening: Components are told apart after bridges of up to twice this many voxels have been cut.
            Where nothing would be left they are not.
    """
    if not mask.any():
        return mask
    element = ball(opening, mask.ndim)
    cores = ndimage.binary_erosion(mask, element) if opening else mask
    if not cores.any():
        cores, element = mask, ball(0, mask.ndim)
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[(slice(1, -1),) * mask.ndim]
    pieces, _ = ndimage.label(cores, structure=np.ones((3,) * mask.ndim))
    deepest = int(np.where(cores, depth, 0).argmax())
    return ndimage.binary_dilation(pieces == pieces.flat[deepest], element) & mask


def filled(mask: NDArray[np.bool_], closing: int, most_voxels: float = np.inf) -> NDArray[np.bool_]:
    """Add what the mask ``(*S)`` encloses.

    Args:
        mask: Bool ``(*S)``.
        closing: Gaps of up to twice as many voxels in its hull are bridged before.
        most_voxels: Voxels of the largest cavity that is filled.
    """
    box = bounding_box(mask, 0)
    if box is None:
        return mask
    padded = np.pad(mask[box], closing + 1)
    closed = ndimage.binary_closing(padded, ball(closing, mask.ndim)) if closing else padded
    cavities, _ = ndimage.label(~closed)
    small = np.bincount(cavities.ravel()) <= most_voxels
    small[cavities.flat[0]] = False  # the outside
    result = mask.copy()
    result[box] |= (closed | small[cavities])[(slice(closing + 1, -closing - 1),) * mask.ndim]
    return result


def bounding_box(mask: NDArray[np.bool_], margin: int) -> tuple[slice, ...] | None:
    """Smallest box that holds the mask and ``margin`` voxels around it, or None when it is empty."""
    boxes = ndimage.find_objects(mask.astype(np.uint8))
    if not boxes:
        return None
    return tuple(
        slice(max(0, side.start - margin), min(size, side.stop + margin))
        for side, size in zip(boxes[0], mask.shape, strict=True)
    )
