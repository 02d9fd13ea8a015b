# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Parts of a mask that are far enough apart to be looked at one by one, each in a box of its own.

Lesions are few and small in a large volume: labelling and dilating the box of all of them costs time for
nothing. Blocks of 8 voxels a side decide what is apart, so the search itself is cheap.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from scripts.core.metrics.boxes import Box
from scripts.core.metrics.components import label_components

_BLOCK = 8  # booleans that one 64-bit word holds


def islands(mask: NDArray[np.bool_], gap_voxels: int) -> Iterator[tuple[Box, NDArray[np.bool_]]]:
    """Yield parts of a mask that are more than ``gap_voxels`` apart along at least one axis.

    Args:
        mask: Bool ``(*S)``, two or three axes.
        gap_voxels: How close voxels of one part may be to those of another part, 0 or more.

    Yields:
        A box, and which of its voxels may belong to the part: bool, of the shape of the box. Each true
        voxel of ``mask`` is in exactly one part; parts may hold several components.
    """
    if not mask.size:
        return
    block = _BLOCK * max(1, -(-gap_voxels // _BLOCK))
    labels, _ = label_components(_any_in_blocks(mask, block))
    for number, coarse in enumerate(ndimage.find_objects(labels), start=1):
        box = tuple(
            slice(span.start * block, min(span.stop * block, size))
            for span, size in zip(coarse, mask.shape, strict=True)
        )
        own = labels[coarse] == number
        for axis in range(mask.ndim):
            own = own.repeat(block, axis=axis)
        yield box, own[tuple(slice(span.stop - span.start) for span in box)]


def _any_in_blocks(mask: NDArray[np.bool_], block: int) -> NDArray[np.bool_]:
    """Whether blocks of ``block`` voxels a side hold a true voxel."""
    blocks = [-(-size // block) for size in mask.shape]
    padded = np.zeros([count * block for count in blocks], dtype=bool)
    padded[tuple(slice(size) for size in mask.shape)] = mask
    found = padded.view(np.uint64) != 0
    for axis, count in enumerate(blocks):
        parts = found.shape[axis] // count
        found = found.reshape(*found.shape[:axis], count, parts, *found.shape[axis + 1 :]).any(axis=axis + 1)
    return found
