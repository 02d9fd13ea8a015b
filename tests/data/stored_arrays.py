"""Small arrays and the entries made of them, for the tests of the store."""

from __future__ import annotations

import numpy as np

from brats3d.data.store import PreparedStore, StoredCase

SHAPE = (6, 7, 8)
RECORD = {"restoration": {"axes": [0, 1, 2]}, "number": 1.5}


def arrays(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    image = generator.normal(size=(2, *SHAPE)).astype(np.float32)
    return image, generator.integers(0, 4, SHAPE, dtype=np.uint8)


def write(store: PreparedStore, key: str = "k", seed: int = 0, *, labelled: bool = True) -> StoredCase:
    image, classes = arrays(seed)
    return store.write("case", key, image=image, classes=classes if labelled else None, record=RECORD)
