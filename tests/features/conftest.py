"""Arrays that several tests of the features measure."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from numpy.typing import NDArray

Pattern = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float64]]


@pytest.fixture(scope="session")
def pattern() -> Pattern:
    """Image of whole numbers, an ellipsoid that faces cut off, and an affine of unequal voxel sizes."""
    x, y, z = np.meshgrid(np.arange(14), np.arange(12), np.arange(9), indexing="ij")
    image = (7 * x * x + 3 * y * z + 5 * z + x * y) % 97 + 3 * x
    mask = ((x - 4) / 6) ** 2 + ((y - 6) / 5) ** 2 + ((z - 5) / 5) ** 2 <= 1
    affine = np.array([[-1.0, 0, 0, 20], [0, -1.5, 0, 7], [0, 0, 3, -12], [0, 0, 0, 1]])
    return image.astype(np.float32), mask, affine


@pytest.fixture(scope="session")
def pyradiomics_python() -> str:
    """Python that has pyradiomics, or a skip that says why."""
    python = os.environ.get("BRATS3D_PYRADIOMICS_PYTHON")
    if python is None or shutil.which(python) is None:
        pytest.skip(
            f"no Python with pyradiomics on this machine (BRATS3D_PYRADIOMICS_PYTHON names one; got {python})"
        )
    return python
