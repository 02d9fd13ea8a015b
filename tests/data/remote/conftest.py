"""A data set in the storage of this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from remote_storage import upload

from brats3d.data.phantom import write_phantoms
from brats3d.data.remote import FileCache
from brats3d.data.remote import storage as storage_module


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("phantoms") / "brats2021"
    write_phantoms(root, cases=3, size=(32, 32, 32), seed=3)
    return root


@pytest.fixture(autouse=True)
def _no_pauses_and_no_drivers_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module, "_PAUSE_S", 0.0)
    storage_module._opened.cache_clear()


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    """Storage of this process, empty."""
    driver = fsspec.filesystem("memory")
    driver.store.clear()
    yield driver
    driver.store.clear()


@pytest.fixture
def remote(memory: MemoryFileSystem, phantoms: Path) -> MemoryFileSystem:
    """The phantoms at ``URL``."""
    upload(memory, phantoms, "/bucket/sets/brats2021")
    return memory


@pytest.fixture
def cache(tmp_path: Path) -> FileCache:
    return FileCache(tmp_path / "cache")


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are fetched from now on."""
    original, names = MemoryFileSystem.get_file, []

    def note(driver: MemoryFileSystem, path: str, *others: Any, **options: Any) -> None:
        names.append(path.rpartition("/")[2])
        original(driver, path, *others, **options)

    monkeypatch.setattr(MemoryFileSystem, "get_file", note)
    return names
