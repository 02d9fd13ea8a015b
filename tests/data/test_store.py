"""The store of prepared cases: identity of entries, memory mapping, and writes that fail or race."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from brats3d.data import store as store_module
from brats3d.data.store import PreparedStore, StoredCase, fingerprint
from brats3d.errors import DataError, OutputError

SHAPE = (6, 7, 8)
RECORD = {"restoration": {"axes": [0, 1, 2]}, "number": 1.5}


def arrays(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    image = generator.normal(size=(2, *SHAPE)).astype(np.float32)
    return image, generator.integers(0, 4, SHAPE, dtype=np.uint8)


def write(store: PreparedStore, key: str = "k", seed: int = 0, *, labelled: bool = True) -> StoredCase:
    image, classes = arrays(seed)
    return store.write("case", key, image=image, classes=classes if labelled else None, record=RECORD)


@pytest.fixture
def store(tmp_path: Path) -> PreparedStore:
    return PreparedStore(tmp_path / "store")


def test_an_entry_gives_back_what_was_written(store: PreparedStore) -> None:
    image, classes = arrays()
    write(store)
    entry = store.find("case", "k")
    assert entry is not None
    assert entry.case_id == "case"
    assert entry.image().dtype == np.float16
    np.testing.assert_array_equal(entry.image(), image.astype(np.float16))
    np.testing.assert_array_equal(entry.classes(), classes)
    assert entry.record == RECORD


def test_arrays_in_any_memory_order_are_kept(store: PreparedStore) -> None:
    image, classes = arrays()
    store.write("case", "k", image=np.asfortranarray(image), classes=classes.T.copy().T, record={})
    entry = store.find("case", "k")
    assert entry is not None
    np.testing.assert_array_equal(entry.image(), image.astype(np.float16))
    np.testing.assert_array_equal(entry.classes(), classes)


def test_arrays_are_memory_mapped_and_read_only(store: PreparedStore) -> None:
    entry = write(store)
    for array in (entry.image(), entry.classes()):
        assert isinstance(array, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_foreground_positions_have_the_class_they_are_kept_for(store: PreparedStore) -> None:
    _, classes = arrays()
    entry = write(store)
    assert set(entry.foreground) == {1, 2, 3}
    for index, positions in entry.foreground.items():
        assert len(positions) == (classes == index).sum()
        assert (classes[tuple(positions.T)] == index).all()


def test_of_a_large_class_evenly_drawn_positions_are_kept(store: PreparedStore) -> None:
    classes = np.ones((40, 40, 40), dtype=np.uint8)
    entry = store.write("case", "k", image=np.zeros((1, 40, 40, 40)), classes=classes, record={})
    positions = entry.foreground[1]
    assert len(positions) == len(np.unique(positions, axis=0)) == 4096
    np.testing.assert_allclose(positions.mean(axis=0), 19.5, atol=1.0)


def test_no_foreground_in_a_case_without_tumour(store: PreparedStore) -> None:
    entry = store.write(
        "c", "k", image=np.zeros((1, 4, 4, 4)), classes=np.zeros((4, 4, 4), np.uint8), record={}
    )
    assert entry.foreground == {}


def test_classes_of_an_unlabelled_case_are_an_error(store: PreparedStore) -> None:
    entry = write(store, labelled=False)
    with pytest.raises(DataError, match="without a label map") as caught:
        entry.classes()
    assert caught.value.where == "case"


def test_nothing_is_found_under_another_key_or_case(store: PreparedStore) -> None:
    assert store.find("case", "k") is None
    write(store)
    assert store.find("case", "other") is None
    assert store.find("another", "k") is None


def test_a_folder_without_a_record_is_no_entry(store: PreparedStore) -> None:
    (store.folder / "case-k").mkdir(parents=True)
    assert store.find("case", "k") is None


@pytest.mark.parametrize("change", ["content", "time", "settings", "path", "order"])
def test_fingerprint_follows_files_and_settings(tmp_path: Path, change: str) -> None:
    first, second = tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"
    first.write_bytes(b"123")
    second.write_bytes(b"123")
    before = fingerprint([first, second], "settings")
    assert fingerprint([first, second], "settings") == before
    paths, settings = [first, second], "settings"
    if change == "content":
        first.write_bytes(b"1234")
    elif change == "time":
        os.utime(first, ns=(1, 1))
    elif change == "settings":
        settings = "others"
    elif change == "path":
        paths[1] = second.rename(tmp_path / "c.nii.gz")
    else:
        paths.reverse()
    assert fingerprint(paths, settings) != before


def test_fingerprint_is_that_of_the_file_behind_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "a", tmp_path / "link"
    file.write_bytes(b"1")
    link.symlink_to(file)
    assert fingerprint([link], "s") == fingerprint([file], "s")


def test_fingerprint_of_a_missing_file_names_it(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match="not found") as caught:
        fingerprint([link], "s")
    assert caught.value.where == link


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("failing", ["image.npy", "foreground.npz", "record.json"])
def test_a_failing_write_leaves_nothing(
    store: PreparedStore, monkeypatch: pytest.MonkeyPatch, failing: str, number: int
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    if failing == "image.npy":
        monkeypatch.setattr(store_module, "_save", fail)
    elif failing == "foreground.npz":
        monkeypatch.setattr(np, "savez", fail)
    else:
        monkeypatch.setattr(Path, "write_text", fail)
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
    class Full:
        """A device that takes the header and no more."""

        def __init__(self) -> None:
            self.file = open("/dev/full", "wb", buffering=0)

        def __enter__(self) -> object:
            return self.file

        def __exit__(self, *error: object) -> None:
            self.file.close()

    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    monkeypatch.setattr(Path, "open", lambda *args, **kwargs: Full())
    with pytest.raises(OutputError, match="free space") as caught:
        write(store)
    assert caught.value.got == os.strerror(errno.ENOSPC)
    assert list(store.folder.iterdir()) == []
