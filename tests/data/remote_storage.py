"""What tests do with a data set at a URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from brats3d.data.discovery import Discovery, discover
from brats3d.data.remote import FileCache, RemoteCase
from brats3d.errors import Brats3dError

URL = "memory://bucket/sets/brats2021"
FILES_OF_A_CASE = 5


def upload(driver: Any, folder: Path, place: str) -> None:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        driver.pipe_file(f"{place}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def found(cache: FileCache, url: str = URL) -> Discovery:
    return discover(url, cache=cache)


def first(cache: FileCache) -> RemoteCase:
    case = found(cache).cases[0]
    assert isinstance(case, RemoteCase)
    return case


def fail_with(monkeypatch: pytest.MonkeyPatch, method: str, error: BaseException, after: int = 0) -> None:
    """Let a method of the storage fail, once it has been called some times."""
    original, calls = getattr(MemoryFileSystem, method), []

    def call(driver: MemoryFileSystem, path: str, *others: Any, **options: Any) -> Any:
        calls.append(path)
        if len(calls) > after:
            raise error
        return original(driver, path, *others, **options)

    monkeypatch.setattr(MemoryFileSystem, method, call)


def check_told(cache: FileCache, case: RemoteCase, kind: type[Brats3dError], what: str) -> str:
    """The files cannot be had; the error says so, and nothing half-fetched is left."""
    with pytest.raises(kind, match=what) as caught, case.here():
        pass
    assert caught.value.where
    assert caught.value.remedy
    assert not cache.folder.exists() or not list(cache.folder.iterdir())
    return str(caught.value)
