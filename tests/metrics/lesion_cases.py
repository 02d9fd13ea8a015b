"""Label maps of several small lesions, the same for every version of NumPy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SHAPE = (44, 40, 36)


def lesion_cases() -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yield name, prediction and reference: uint8 maps with 1 NCR, 2 ED, 3 ET."""
    for seed in range(8):
        rng = np.random.RandomState(seed)  # its stream never changes between versions
        reference = _balls(rng, 6)
        prediction = np.roll(reference, rng.randint(-2, 3, 3), axis=(0, 1, 2))
        extra = _balls(rng, 2)
        prediction = np.where(extra > 0, extra, prediction)
        if seed % 2:  # one lesion missed
            prediction[: SHAPE[0] // 3] = 0
        yield f"balls-{seed}", prediction, reference
    empty = np.zeros(SHAPE, dtype=np.uint8)
    some = _balls(np.random.RandomState(99), 3)
    yield "nothing-predicted", empty, some
    yield "nothing-there", some, empty
    yield "both-empty", empty, empty
    far = empty.copy()
    far[-4:, -4:, -4:] = 3
    near = empty.copy()
    near[2:6, 2:6, 2:6] = 3
    yield "apart", far, near


def _balls(rng: np.random.RandomState, count: int) -> NDArray[np.uint8]:
    labels = np.zeros(SHAPE, dtype=np.uint8)
    grid = np.indices(SHAPE)
    for _ in range(count):
        centre = [rng.randint(4, size - 4) for size in SHAPE]
        radius = rng.uniform(1.0, 5.0)
        distance = np.sqrt(sum((axis - place) ** 2 for axis, place in zip(grid, centre, strict=True)))
        labels[distance <= radius + 2] = np.maximum(labels[distance <= radius + 2], 2)
        labels[distance <= radius] = 3
        labels[distance <= radius - 2] = 1
    return labels
