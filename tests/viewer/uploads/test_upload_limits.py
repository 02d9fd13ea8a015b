"""Limits of size, number and time; removal at any moment; a disk that is full; many at once."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from brats3d.config.app import AppConfig
from brats3d.errors import Brats3dError, OutputError
from brats3d.viewer.uploads import Limits, TooLarge, TooManyUploads, UploadGone, UploadStore
from brats3d.viewer.uploads.workplace import CountedFile


def test_limits_come_from_the_settings() -> None:
    limits = Limits.of(AppConfig(upload_mib=3, upload_files=4, uploads=5, keep_minutes=2))
    assert (limits.size, limits.files, limits.uploads, limits.keep_seconds) == (3 << 20, 4, 5, 120)


def test_a_file_larger_than_an_upload_may_be(store: Any, upload: Any, put: Any, kept: Any) -> None:
    with pytest.raises(TooLarge, match="the file is too large") as caught:
        put(upload, "t1.nii", bytes(store.limits.size + 1), 1 << 20)
    assert caught.value.where == "t1.nii"
    assert kept() == []


def test_an_upload_is_counted_unpacked(store: Any, upload: Any, put: Any, files: Any, kept: Any) -> None:
    voxels = np.zeros((64, 64, 64), dtype=np.float32)
    put(upload, "t1.nii.gz", files.nifti(voxels))
    put(upload, "t2.nii.gz", files.nifti(voxels))
    put(upload, "flair.nii.gz", files.nifti(voxels))
    before = kept()
    with pytest.raises(TooLarge, match="upload is too large"):
        put(upload, "t1ce.nii.gz", files.nifti(voxels))
    assert kept() == before
    put(upload, "t2.nii.gz", files.nifti())
    put(upload, "t1ce.nii.gz", files.nifti(voxels))


def test_so_many_files_and_no_more(store: Any, upload: Any, put: Any, files: Any, kept: Any) -> None:
    data = files.nifti()
    for index in range(store.limits.files):
        put(upload, f"{index}.nii.gz", data)
    put(upload, "0.nii.gz", data)
    with pytest.raises(TooLarge, match="too many files"):
        put(upload, "one more.nii.gz", data)
    assert len(kept()) == store.limits.files


def test_so_many_uploads_and_no_more(store: Any, clock: Any) -> None:
    first = store.new()
    for _ in range(store.limits.uploads - 1):
        store.new()
    with pytest.raises(TooManyUploads) as caught:
        store.new()
    assert caught.value.remedy
    store.remove(first.id)
    store.new()
    clock.now += 61
    store.new()
    assert len(store) == 1


def test_uploads_go_when_nobody_asks_for_them(
    store: Any, clock: Any, put: Any, files: Any, kept: Any
) -> None:
    asked, forgotten, used = store.new(), store.new(), store.new()
    for upload in (asked, forgotten, used):
        put(upload, "t1.nii.gz", files.nifti())
    with used.in_use():
        clock.now += 59
        assert store.get(asked.id) is asked
        clock.now += 2
        store.expire()
        assert store.get(used.id) is used
    assert len(kept()) == 2
    assert store.get(asked.id).contents().files
    for gone in (forgotten.id, "../..", ""):
        with pytest.raises(UploadGone):
            store.get(gone)
    clock.now += 61
    with pytest.raises(UploadGone):
        store.get(asked.id)


def test_what_is_gone_says_so(store: Any, upload: Any, put: Any, files: Any, kept: Any) -> None:
    put(upload, "t1.nii.gz", files.nifti())
    store.remove(upload.id)
    store.remove(upload.id)
    assert kept() == []
    for ask in (
        upload.contents,
        lambda: upload.case(["t1"]),
        lambda: upload.display_image("t1"),
        upload.reference_image,
        lambda: upload.assign({}),
        lambda: put(upload, "t2.nii.gz", files.nifti()),
    ):
        with pytest.raises(UploadGone):
            ask()
    assert kept() == []


def test_removal_while_a_file_is_received(store: Any, upload: Any, files: Any, kept: Any) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield files.nifti(packed=False)[:400]
        store.remove(upload.id)
        yield bytes(1 << 20)

    with pytest.raises(UploadGone):
        asyncio.run(upload.receive("t1.nii", chunks()))
    assert kept() == []


def test_removal_while_images_are_read(store: Any, put: Any, files: Any, kept: Any) -> None:
    for wait in (0, 1e-3, 3e-3, 5e-3, 1e-2, 2e-2):
        upload = store.new()
        put(upload, "t1.nii.gz", files.nifti(files.voxels(shape=(60, 60, 60))))
        outcomes: list[object] = []

        def read(upload: Any = upload, outcomes: list[object] = outcomes) -> None:
            try:
                outcomes.append(upload.display_image("t1"))
            except BaseException as error:
                outcomes.append(error)

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        time.sleep(wait)
        store.remove(upload.id)
        for reader in readers:
            reader.join()
        assert all(isinstance(outcome, Path | UploadGone) for outcome in outcomes)
        assert len(outcomes) == 3
        assert kept() == []


def test_a_sender_that_goes_away_leaves_nothing(store: Any, upload: Any, files: Any, kept: Any) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield bytes(1 << 19)
        raise RuntimeError("disconnected")

    with pytest.raises(RuntimeError, match="disconnected"):
        asyncio.run(upload.receive("t1.nii", chunks()))
    assert kept() == []

    async def cancelled() -> None:
        async def endless() -> AsyncIterator[bytes]:
            yield bytes(1 << 19)
            await asyncio.sleep(60)

        task = asyncio.create_task(upload.receive("t1.nii", endless()))
        await asyncio.sleep(0.05)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert kept() == []


def test_a_full_disk(upload: Any, put: Any, files: Any, kept: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: CountedFile, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    data = files.zipped({"t1.nii.gz": files.nifti(), "t2.png": files.picture(np.eye(9, dtype=np.uint8))})
    put(upload, "flair.nii.gz", files.nifti())
    before = kept()
    received = CountedFile.write
    for only_after in (0, 1, 2, 3):
        writes = iter(range(100))
        monkeypatch.setattr(
            CountedFile,
            "write",
            lambda self, data, writes=writes, late=only_after: (
                full(self, data) if next(writes) >= late else received(self, data)
            ),
        )
        with pytest.raises(OutputError, match="no space left") as caught:
            put(upload, "case.zip", data)
        assert "uploads-" not in str(caught.value)
        assert kept() == before
    with pytest.raises(OutputError, match="no space left"):
        upload.display_image("flair")
    monkeypatch.undo()
    assert kept() == before
    upload.display_image("flair")


def test_the_last_of_the_disk_is_left_for_results(
    upload: Any, put: Any, files: Any, kept: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1 << 40, 0, 1 << 20))
    with pytest.raises(OutputError, match="no space left"):
        put(upload, "t1.nii.gz", files.nifti())
    assert kept() == []
    assert upload._place.allowance.size == 0


def test_a_hundred_at_once(tmp_path: Path, files: Any, kept: Any) -> None:
    store = UploadStore(tmp_path / "uploads", Limits(size=1 << 20, uploads=100))
    good, bad = files.nifti(), files.nifti()[:-9]

    async def one(data: bytes) -> None:
        upload = store.new()

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(data), 200):
                yield data[start : start + 200]
                await asyncio.sleep(0)

        await upload.receive("t1.nii.gz", chunks())

    async def all_of_them() -> list[object]:
        jobs = [one(bad if index % 4 == 0 else good) for index in range(104)]
        return await asyncio.gather(*jobs, return_exceptions=True)

    outcomes = asyncio.run(all_of_them())
    assert sum(outcome is None for outcome in outcomes) + sum(
        isinstance(outcome, Brats3dError) for outcome in outcomes
    ) == len(outcomes)
    assert sum(isinstance(outcome, TooManyUploads) for outcome in outcomes) == 4
    assert len(kept()) == sum(outcome is None for outcome in outcomes) >= 74
    store.close()
    with pytest.raises(UploadGone):
        store.new()
    assert list((tmp_path / "uploads").iterdir()) == []


def test_logs_have_no_names(store: Any, put: Any, files: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    upload = store.new()
    put(upload, "Jane Doe/t1.nii.gz", files.nifti())
    upload.display_image("t1")
    store.remove(upload.id)
    assert "bytes received" in caplog.text
    assert "Doe" not in caplog.text
    assert "t1" not in caplog.text
    assert upload.id not in caplog.text


_FLAT = """
import asyncio, resource, sys
from pathlib import Path
from brats3d.errors import DataError
from brats3d.viewer.uploads import Limits, UploadStore

async def zeros(size):
    block = bytes(1 << 20)
    for _ in range(size >> 20):
        yield block

store = UploadStore(Path(sys.argv[1]), Limits(size=150 << 20))
header = Path(sys.argv[2]).read_bytes()

async def volume(size):
    yield header
    async for block in zeros(size):
        yield block

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before = peak()
for chunks in (zeros(200 << 20), volume(200 << 20), volume(100 << 20)):
    try:
        asyncio.run(store.new().receive("t1.nii", chunks))
    except DataError as error:
        print(error.what)
print(peak() - before)
store.close()
"""


def test_memory_stays_flat(tmp_path: Path, files: Any) -> None:
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape((256, 256, 400))
    header.set_sform(np.eye(4))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    large = tmp_path / "large"
    large.write_bytes(header.binaryblock + bytes(4))
    done = subprocess.run(
        [sys.executable, "-c", _FLAT, str(tmp_path / "uploads"), str(large)],
        capture_output=True,
        text=True,
        check=True,
    )
    *told, grown = done.stdout.splitlines()
    assert told == ["the file is too large", "the file is too large"]  # that of 100 MiB is taken
    assert int(grown) < 60 << 10  # KiB
