"""A made-up case whose every number is known."""

from __future__ import annotations

import numpy as np
import pytest

from brats3d.labels import CONVENTIONS
from brats3d.reporting import LabelledCase


@pytest.fixture(scope="session")
def case() -> LabelledCase:
    """A brain with oedema around a core; the prediction is the reference, one voxel further to the right."""
    convention = CONVENTIONS["brats2017"]
    _, core, oedema, enhancing = range(4)
    reference = np.zeros((24, 20, 12), dtype=np.uint8)
    reference[6:14, 6:14, 3:9] = oedema
    reference[8:12, 8:12, 4:8] = enhancing
    reference[9:11, 9:11, 5:7] = core
    prediction = np.roll(reference, 1, axis=0)
    image = np.zeros(reference.shape, dtype=np.float32)
    image[2:22, 2:18, 1:11] = np.random.default_rng(0).uniform(1, 2, (20, 16, 10))
    regions = np.stack([column[prediction] for column in convention.class_table.T])
    return LabelledCase(
        "someone",
        {"t1ce": image, "flair": image + 0.5 * reference},
        reference,
        prediction,
        (0.1 + 0.8 * regions).astype(np.float32),
        convention,
        (1.0, 1.0, 3.0),
    )
