"""What is said when files at URLs cannot be had."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry as registered
from remote_storage import URL, check_told, fail_with, first, found

from brats3d.data.remote import FileCache
from brats3d.errors import Brats3dError, ConfigError, DataError, LayoutError, MissingExtraError, OutputError


class TestFaults:
    def test_a_file_that_changes_after_it_was_listed(
        self, remote: MemoryFileSystem, cache: FileCache
    ) -> None:
        case = first(cache)
        remote.pipe_file(f"/bucket/sets/brats2021/{case.case_id}/{case.case_id}_t2.nii.gz", b"other")
        check_told(cache, case, DataError, "changed since")

    def test_a_file_that_is_gone(self, remote: MemoryFileSystem, cache: FileCache) -> None:
        case = first(cache)
        remote.rm_file(f"/bucket/sets/brats2021/{case.case_id}/{case.case_id}_t2.nii.gz")
        check_told(cache, case, DataError, "nothing at the URL")

    @pytest.mark.parametrize("times", [1, 3])
    def test_a_file_that_arrives_incomplete(
        self, times: int, remote: MemoryFileSystem, cache: FileCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original, cut = MemoryFileSystem.get_file, []

        def cut_off(driver: MemoryFileSystem, path: str, target: str, **options: Any) -> None:
            original(driver, path, target, **options)
            if len(cut) < times:
                cut.append(path)
                os.truncate(target, 100)

        case = first(cache)
        monkeypatch.setattr(MemoryFileSystem, "get_file", cut_off)
        if times == 3:
            check_told(cache, case, DataError, "arrives incomplete")
        else:
            with case.here():
                assert all(path.stat().st_size > 100 for path in case.images.values())

    @pytest.mark.parametrize(
        ("error", "kind", "what"),
        [
            (PermissionError("Forbidden"), DataError, "may not be read"),
            (ConnectionError("no route to http://host/x?X-Signature=secret"), DataError, "cannot be read"),
            (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), OutputError, "cannot write"),
        ],
    )
    def test_what_a_driver_raises(
        self,
        error: Exception,
        kind: type[Brats3dError],
        what: str,
        remote: MemoryFileSystem,
        cache: FileCache,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        case = first(cache)
        fail_with(monkeypatch, "get_file", error, after=2)
        assert "secret" not in check_told(cache, case, kind, what)

    def test_one_failure_is_not_the_end(
        self, remote: MemoryFileSystem, cache: FileCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original, failed = MemoryFileSystem.get_file, []

        def fail_once(driver: MemoryFileSystem, path: str, *others: Any, **options: Any) -> None:
            if not failed:
                failed.append(path)
                raise ConnectionError("reset")
            original(driver, path, *others, **options)

        monkeypatch.setattr(MemoryFileSystem, "get_file", fail_once)
        with first(cache).here():
            assert failed

    @pytest.mark.parametrize("error", [PermissionError("Forbidden"), ConnectionError("refused")])
    def test_a_folder_that_cannot_be_listed(
        self, error: Exception, remote: MemoryFileSystem, cache: FileCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fail_with(monkeypatch, "find", error)
        with pytest.raises(DataError) as caught:
            found(cache)
        assert caught.value.where == URL
        assert caught.value.remedy

    def test_nothing_there(self, memory: MemoryFileSystem, cache: FileCache) -> None:
        with pytest.raises(LayoutError) as caught:
            found(cache)
        assert caught.value.where == URL

    def test_no_data_set(self, memory: MemoryFileSystem, cache: FileCache) -> None:
        memory.pipe_file("/bucket/sets/brats2021/notes.txt", b"notes")
        with pytest.raises(LayoutError, match="known layout") as caught:
            found(cache)
        assert caught.value.where == URL

    @pytest.mark.parametrize(
        "url",
        ["s4://bucket/folder", "memory://", "ftp://user:word@host/folder", "zip://x::s3://bucket/a.zip"],
    )
    def test_a_url_that_cannot_be(self, url: str, cache: FileCache) -> None:
        with pytest.raises(ConfigError) as caught:
            found(cache, url)
        assert "word" not in str(caught.value).replace("password", "")

    @pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs")])
    def test_a_driver_that_is_not_installed(
        self, scheme: str, package: str, cache: FileCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.delitem(registered, scheme, raising=False)
        with pytest.raises(MissingExtraError, match=package) as caught:
            found(cache, f"{scheme}://bucket/folder")
        assert caught.value.remedy

    def test_without_fsspec(self, cache: FileCache, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "fsspec", None)
        with pytest.raises(MissingExtraError) as caught:
            found(cache, "s3://bucket/folder")
        assert "brats3d[remote]" in str(caught.value.remedy)

    def test_a_cache_that_cannot_be_written(self, remote: MemoryFileSystem, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OutputError), first(FileCache(tmp_path / "file" / "cache")).here():
            pass
