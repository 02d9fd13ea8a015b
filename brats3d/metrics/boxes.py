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
    box = [slice(0, size) for size in arrays[0].shape]
    for axis in range(len(box)):
        others = tuple(other for other in range(len(box)) if other != axis)
        # Axis by axis on what is left: after the first axis little remains of a head around a tumour.
        filled = np.logical_or.reduce([np.any(array[tuple(box)], axis=others) for array in arrays])
        places = np.flatnonzero(filled)
        if places.size == 0:
            return tuple(slice(0, 0) for _ in box)
        box[axis] = slice(box[axis].start + int(places[0]), box[axis].start + int(places[-1]) + 1)
    return tuple(box)
