"""What the tests of the data layer share."""

from __future__ import annotations

from pathlib import Path

import pytest

from brats3d.data.store import PreparedStore


@pytest.fixture
def store(tmp_path: Path) -> PreparedStore:
    return PreparedStore(tmp_path / "store")
