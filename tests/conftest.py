"""Fixtures shared by all tests."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Of several test processes each computes with one thread, and so does what it starts; read when torch comes.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

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


@pytest.fixture(autouse=True)
def package_logger() -> Iterator[None]:
    """Leaves the package's logger as it was: a verb that is called in a test sets it up for a terminal."""
    package = logging.getLogger("brats3d")
    handlers, level, propagate = list(package.handlers), package.level, package.propagate
    yield
    package.handlers, package.propagate = handlers, propagate
    package.setLevel(level)


@pytest.fixture(autouse=True)
def no_run_to_join() -> None:
    """Takes away the run that a training in this process offered to processes it might start."""
    os.environ.pop("BRATS3D_LED_RUN", None)
