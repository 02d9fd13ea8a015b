"""What the tests of the benchmarks need from the machine."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture
def nnunet_python() -> str:
    """Python that has nnU-Net, or a skip that says why."""
    python = os.environ.get("BRATS3D_NNUNET_PYTHON")
    if python is None or shutil.which(python) is None:
        pytest.skip(
            f"no Python with nnunetv2 on this machine (BRATS3D_NNUNET_PYTHON names one; got {python})"
        )
    return python
