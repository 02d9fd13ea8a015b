"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples on every machine and in every run: a failure can be repeated, a pass means the same.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real MRI, or a skip that says why."""
    named = os.environ.get("BRATS3D_REAL_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "real"
    if not (folder / "brats2021").is_dir():
        pytest.skip(f"no real MRI on this machine (looked in {folder}; BRATS3D_REAL_DATA names another)")
    return folder
