# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Voxels of each class, from which patches around tumour are drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SAMPLES = 4096


def foreground_positions(classes: NDArray[np.uint8]) -> dict[str, NDArray[np.int16]]:
    """Draw up to 4096 voxels of each class but background, evenly and the same ones every time.

    Args:
        classes: Class indices ``(X, Y, Z)``.

    Returns:
        Class index, as text, to positions ``(n, 3)``.
    """
    generator = np.random.default_rng(0)
    positions = {}
    inside = np.argwhere(classes)
    values = classes[tuple(inside.T)]
    for index in np.unique(values).tolist():
        of_class = inside[values == index]
        if len(of_class) > _SAMPLES:
            of_class = of_class[generator.choice(len(of_class), _SAMPLES, replace=False)]
        positions[str(index)] = of_class.astype(np.int16)
    return positions
