# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Bounding boxes, so that nothing is computed where there is nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, ...]


def bounding_box(*arrays: NDArray[Any]) -> Box:
    """Find the smallest box that holds every non-zero element of all the arrays.

    Args:
        arrays: Arrays of one shape ``(*S)``, of any dtype; NaN counts as non-zero.

    Returns:
        One slice per axis; all of them empty when every array is zero.
    """
    axes = arrays[0].ndim
    # The axis of the longest stride first: its slices are whole pieces of memory, and after it little
    # remains of a head around a tumour.
    order = sorted(range(axes), key=lambda axis: -abs(arrays[0].strides[axis]))
    filled = [array.transpose(order) for array in arrays]
    box = [slice(0, 0)] * axes
    for place, axis in enumerate(order):
        others = tuple(range(1, axes - place))
        found = np.flatnonzero(np.logical_or.reduce([array.any(axis=others) for array in filled]))
        if found.size == 0:
            return (slice(0, 0),) * axes
        box[axis] = slice(int(found[0]), int(found[-1]) + 1)
        filled = [np.asarray(array[box[axis]].any(axis=0)) for array in filled]
    return tuple(box)
