"""How many voxels of each class prepared cases have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from brats3d.data.store import StoredCase


def count_classes(cases: Sequence[StoredCase], classes: int) -> NDArray[np.int64]:
    """Count the voxels of each class in the prepared volume of each case, read one after the other.

    Args:
        cases: Prepared cases with label maps.
        classes: Number of classes, background included.

    Returns:
        Voxels, ``(cases, classes)``.

    Raises:
        DataError: A case without a label map, or whose files are gone or damaged.
    """
    counts = [np.bincount(_in_main_memory(case).ravel(), minlength=classes) for case in cases]
    return np.array(counts, dtype=np.int64).reshape(-1, classes)


def _in_main_memory(case: StoredCase) -> NDArray[np.uint8]:
    classes = case.classes()
    return classes.cpu().numpy() if isinstance(classes, Tensor) else np.asarray(classes)
