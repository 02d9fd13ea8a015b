"""The store of prepared cases: identity and damage of entries, reading in parts, writes that fail or race."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from brats3d.data.store import Origin, PreparedStore, StoredCase, codec
from brats3d.data.store import arrays as arrays_module
from brats3d.data.store import origin as origin_module
from brats3d.data.store.entry import fault
from brats3d.data.store.origin import content_hash
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


INDICES = [
    (slice(None), slice(1, 4), slice(0, 7), slice(3, 3)),
    (slice(None), slice(1, 400), slice(-3, None), slice(2, 5)),
    1,
    (-1, 2),
    (..., 4),
    (slice(None), 0, slice(None), -1),
    (slice(None, None, 2), slice(3, 1)),
    np.array([1, 0, 1]),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.parametrize("kind", ["b2nd", "npy"])
def test_parts_are_what_numpy_gives(
    store: PreparedStore, monkeypatch: pytest.MonkeyPatch, index: object, kind: str
) -> None:
    if kind == "npy":
        monkeypatch.setattr(arrays_module.importlib.util, "find_spec", lambda name: None)
    entry = write(store)
    assert (entry.folder / f"image.{kind}").is_file()
    part, expected = entry.image()[index], arrays()[0].astype(np.float16)[index]
    assert part.dtype == np.float16
    np.testing.assert_array_equal(part, expected)
    part[...] = 0  # a copy, not the file
    np.testing.assert_array_equal(entry.image()[index], expected)


def test_an_index_outside_is_an_error(store: PreparedStore) -> None:
    with pytest.raises(IndexError):
        write(store).image()[2]


def test_larger_than_a_chunk(store: PreparedStore) -> None:
    image = np.random.default_rng(0).normal(size=(2, 70, 65, 131)).astype(np.float16)
    entry = store.write("case", "k", image=image, classes=None, record={})
    np.testing.assert_array_equal(entry.image(), image)
    np.testing.assert_array_equal(entry.image()[:, 60:70, 1:65, 63:130], image[:, 60:70, 1:65, 63:130])


def test_stored_cases_cross_process_borders(store: PreparedStore) -> None:
    entry = write(store)
    copied = pickle.loads(pickle.dumps(entry))
    np.testing.assert_array_equal(copied.image(), entry.image())


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


def origin(files: dict[str, Path], settings: str = "settings", case_id: str = "case") -> Origin:
    return Origin(case_id, files, settings)


class TestOrigins:
    @pytest.fixture
    def files(self, tmp_path: Path) -> dict[str, Path]:
        made = {"t1": tmp_path / "a.nii.gz", "label": tmp_path / "b.nii.gz"}
        for role, path in made.items():
            path.write_bytes(role.encode())
        return made

    @pytest.mark.parametrize("change", ["content", "settings", "roles", "codec"])
    def test_the_key_follows_content_and_settings(self, files: dict[str, Path], change: str) -> None:
        before = origin(files).key("b2nd")
        assert origin(dict(reversed(files.items()))).key("b2nd") == before
        settings, codec = "settings", "b2nd"
        if change == "content":
            files["t1"].write_bytes(b"t2")
        elif change == "settings":
            settings = "others"
        elif change == "roles":
            files["mask"] = files.pop("label")
        else:
            codec = "npy"
        assert origin(files, settings).key(codec) != before

    @pytest.mark.parametrize("change", ["time", "path", "link"])
    def test_the_key_is_that_of_the_content_wherever_it_lies(
        self, files: dict[str, Path], tmp_path: Path, change: str
    ) -> None:
        before = origin(files).key("b2nd")
        if change == "time":
            os.utime(files["t1"], ns=(1, 1))
        elif change == "path":
            files["t1"] = files["t1"].rename(tmp_path / "moved")
        else:
            (tmp_path / "link").symlink_to(files["t1"])
            files["t1"] = tmp_path / "link"
        assert origin(files).key("b2nd") == before

    def test_a_forged_time_hides_no_change(self, files: dict[str, Path]) -> None:
        before, status = origin(files).key("b2nd"), files["t1"].stat()
        files["t1"].write_bytes(b"xx")
        os.utime(files["t1"], ns=(status.st_atime_ns, status.st_mtime_ns))
        assert files["t1"].stat().st_size == status.st_size
        assert origin(files).key("b2nd") != before

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        link = tmp_path / "link"
        link.symlink_to(tmp_path / "gone")
        with pytest.raises(DataError, match="not found") as caught:
            origin({"t1": link}).key("b2nd")
        assert caught.value.where == link

    def test_files_are_read_again_only_where_something_about_them_changed(
        self, files: dict[str, Path], store: PreparedStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = origin(files)
        key = own.key(codec())
        write(store, key)
        store.remember(own, key, own.states())
        read: list[str] = []
        monkeypatch.setattr(
            origin_module, "content_hash", lambda state: read.append(state.path) or content_hash(state)
        )
        assert store.look_up(own) is not None
        assert read == []
        os.utime(files["t1"])
        assert store.look_up(own) is not None
        assert str(files["t1"]) in read
        read.clear()
        assert store.look_up(own) is not None
        assert read == []
        files["t1"].write_bytes(b"other")
        assert store.look_up(own) is None


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


def test_reading_leaves_no_file_open_and_no_map(store: PreparedStore) -> None:
    if not Path("/proc/self/maps").exists():
        pytest.skip("no /proc on this system")
    entry = write(store)

    def held() -> tuple[int, int]:
        maps = Path("/proc/self/maps").read_text()
        return len(os.listdir("/proc/self/fd")), maps.count(str(store.folder))

    before = held()
    for _ in range(20):
        np.asarray(entry.image())
        entry.classes()[:2]
    assert held() == before


class TestDamage:
    """What can happen to an entry, found by its sizes and headers or when it is read."""

    @pytest.mark.parametrize("file", ["image.b2nd", "classes.b2nd", "foreground.npz", "record.json"])
    @pytest.mark.parametrize("harm", ["removed", "cut", "emptied", "head"])
    def test_is_found_without_reading_everything(self, store: PreparedStore, file: str, harm: str) -> None:
        path = write(store).folder / file
        content = path.read_bytes()
        if harm == "removed":
            path.unlink()
        elif harm == "cut":
            path.write_bytes(content[:-1])
        elif harm == "emptied":
            path.write_bytes(b"")
        else:
            path.write_bytes(bytes([content[0] ^ 255]) + content[1:])
        assert store.find("case", "k") is None
        write(store)
        assert store.find("case", "k") is not None
        assert [entry.name for entry in store.folder.iterdir()] == ["case-k"]

    def test_within_a_file_is_found_by_reading_it(self, store: PreparedStore) -> None:
        image = np.random.default_rng(0).normal(size=(4, 64, 64, 64)).astype(np.float16)
        entry = store.write("case", "k", image=image, classes=None, record={})
        path = entry.folder / "image.b2nd"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
        assert store.find("case", "k") is not None
        assert fault(entry.folder, thorough=False) is None
        assert fault(entry.folder, thorough=True) == "image.b2nd is not what was written"

    @pytest.mark.parametrize("harm", ["cut", "filled"])
    def test_met_by_a_reader_is_told_and_the_entry_not_used_again(
        self, store: PreparedStore, harm: str
    ) -> None:
        image = np.random.default_rng(0).normal(size=(4, 64, 64, 64)).astype(np.float16)
        entry = store.write("case", "k", image=image, classes=None, record={})
        path = entry.folder / "image.b2nd"
        content = path.read_bytes()
        if harm == "cut":
            path.write_bytes(content[:10_000])
        else:
            path.write_bytes(content[:5000] + b"\xa5" * (len(content) - 5000))
        with pytest.raises(DataError, match="damaged") as caught:
            np.asarray(entry.image())
        assert caught.value.where == path
        assert "prepared anew" in str(caught.value.remedy)
        assert store.find("case", "k") is None
        store.write("case", "k", image=image, classes=None, record={})
        found = store.find("case", "k")
        assert found is not None
        np.testing.assert_array_equal(found.image(), image)

    @pytest.mark.parametrize("read", ["image", "classes", "foreground", "record"])
    def test_a_store_that_is_gone(self, store: PreparedStore, read: str) -> None:
        entry = write(store)
        if read in ("image", "classes"):
            entry.classes()  # knows its record
        shutil.rmtree(store.folder)
        with pytest.raises(DataError, match="gone") as caught:
            np.asarray(getattr(entry, read)()) if read in ("image", "classes") else getattr(entry, read)
        assert "prepared anew" in str(caught.value.remedy)


class TestTurns:
    def test_one_at_a_time(self, store: PreparedStore) -> None:
        with store.turn("case", "k", wait=False) as first:
            with store.turn("case", "k", wait=False) as second, store.turn("other", "k", wait=False) as third:
                assert (first, second, third) == (True, False, True)
        with store.turn("case", "k", wait=False) as again:
            assert again
        assert list(store.folder.iterdir()) == []

    def test_waiting_ends_with_the_others_turn(self, store: PreparedStore) -> None:
        order = []

        def follow() -> None:
            with store.turn("case", "k", wait=True) as mine:
                order.append(("second", mine))

        thread = threading.Thread(target=follow)
        with store.turn("case", "k", wait=False):
            thread.start()
            thread.join(0.3)
            order.append(("first", True))
        thread.join()
        assert order == [("first", True), ("second", True)]
        assert list(store.folder.iterdir()) == []

    def test_many_threads_never_meet(self, store: PreparedStore) -> None:
        inside, most = 0, 0

        def enter() -> None:
            nonlocal inside, most
            for _ in range(5):
                with store.turn("case", "k", wait=True):
                    inside += 1
                    most = max(most, inside)
                    time.sleep(0.001)
                    inside -= 1

        threads = [threading.Thread(target=enter) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == 1
        assert list(store.folder.iterdir()) == []

    def test_leftovers_of_a_killed_process_are_swept_and_those_of_a_living_one_kept(
        self, store: PreparedStore
    ) -> None:
        write(store)
        script = (
            "import sys, time; from pathlib import Path; from brats3d.data.store import PreparedStore\n"
            "store = PreparedStore(Path(sys.argv[1]))\n"
            "with store.turn(sys.argv[2], 'k', wait=False):\n"
            "    (store.folder / f'.{sys.argv[2]}-k.0123abcd.tmp').mkdir()\n"
            "    print('ready', flush=True); time.sleep(600)"
        )
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", script, str(store.folder), name], stdout=subprocess.PIPE, text=True
            )
            for name in ("killed", "living")
        ]
        try:
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            processes[0].kill()
            processes[0].wait()
            store.sweep()
            left = {path.name for path in store.folder.iterdir()}
            assert left == {"case-k", ".living-k.lock", ".living-k.0123abcd.tmp"}
        finally:
            for process in processes:
                process.kill()
                process.communicate()
        store.sweep()
        assert [path.name for path in store.folder.iterdir()] == ["case-k"]

    def test_without_locks_everybody_has_a_turn(
        self, store: PreparedStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unsupported(*args: object) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr("fcntl.flock", unsupported)
        with store.turn("case", "k", wait=True) as first, store.turn("case", "k", wait=True) as second:
            assert (first, second) == (True, True)
        assert list(store.folder.iterdir()) == []
