"""Writes to the store that fail or race."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from stored_arrays import arrays, write

from brats3d.data.store import PreparedStore
from brats3d.errors import OutputError


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("failing", ["image", "foreground", "record"])
def test_a_failing_write_leaves_nothing(
    store: PreparedStore, monkeypatch: pytest.MonkeyPatch, failing: str, number: int
) -> None:
    write_bytes = Path.write_bytes

    def fail(path: Path, data: bytes) -> int:
        if path.stem == failing:
            raise OSError(number, os.strerror(number))
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OutputError) as caught:
        write(store)
    assert caught.value.where == store.folder
    assert caught.value.got == os.strerror(number)
    assert list(store.folder.iterdir()) == []


def test_an_interrupted_write_leaves_nothing(store: PreparedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(json, "dumps", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(store)
    assert list(store.folder.iterdir()) == []


def test_an_entry_of_another_process_is_kept(store: PreparedStore) -> None:
    write(store, seed=1)
    entry = write(store, seed=2)
    np.testing.assert_array_equal(entry.classes(), arrays(1)[1])
    assert [path.name for path in store.folder.iterdir()] == ["case-k"]


def test_concurrent_writers_leave_one_whole_entry(store: PreparedStore) -> None:
    together = threading.Barrier(8)
    failures: list[Exception] = []

    def run(seed: int) -> None:
        together.wait()
        try:
            write(store, seed=seed)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [path.name for path in store.folder.iterdir()] == ["case-k"]
    entry = store.find("case", "k")
    assert entry is not None
    # Image and classes come from the same writer.
    seeds = [seed for seed in range(8) if np.array_equal(entry.classes(), arrays(seed)[1])]
    assert len(seeds) == 1
    np.testing.assert_array_equal(entry.image(), arrays(seeds[0])[0].astype(np.float16))


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError) as caught:
        write(PreparedStore(tmp_path / "file" / "store"))
    assert caught.value.remedy
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_named(store: PreparedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")

    def fill(path: Path, data: bytes) -> int:
        with open("/dev/full", "wb", buffering=0) as device:
            return device.write(data)

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(OutputError, match="free space") as caught:
        write(store)
    assert caught.value.got == os.strerror(errno.ENOSPC)
    assert list(store.folder.iterdir()) == []
