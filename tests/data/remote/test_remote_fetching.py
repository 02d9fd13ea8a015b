"""Files at URLs are fetched once and whole, whoever is interrupted."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from remote_storage import FILES_OF_A_CASE, fail_with, first, found

from brats3d.data.remote import FileCache
from brats3d.errors import ConfigError


class TestFetching:
    def test_files_are_what_they_are_there_and_fetched_once(
        self, remote: MemoryFileSystem, cache: FileCache, phantoms: Path, fetched: list[str]
    ) -> None:
        for _ in range(2):
            case = first(cache)
            with case.here() as present:
                assert present
                for path in (*case.images.values(), case.label):
                    assert path is not None
                    assert path.read_bytes() == (phantoms / case.case_id / path.name).read_bytes()
        assert len(fetched) == FILES_OF_A_CASE
        assert not list(cache.folder.glob(".*"))

    def test_the_label_map_alone(
        self, remote: MemoryFileSystem, cache: FileCache, fetched: list[str]
    ) -> None:
        case = first(cache)
        with case.here(label_only=True):
            assert case.label is not None
            assert case.label.is_file()
        assert fetched == [case.label.name]

    def test_one_at_a_time(self, remote: MemoryFileSystem, cache: FileCache) -> None:
        case, order = first(cache), []

        def follow() -> None:
            with case.here():
                order.append("second")

        thread = threading.Thread(target=follow)
        with case.here():
            with case.here(wait=False) as again:
                assert not again
            thread.start()
            thread.join(0.3)
            order.append("first")
        thread.join()
        assert order == ["first", "second"]

    def test_a_changed_file_is_fetched_anew(
        self, remote: MemoryFileSystem, cache: FileCache, fetched: list[str]
    ) -> None:
        with first(cache).here():
            pass
        case = first(cache)
        path = f"/bucket/sets/brats2021/{case.case_id}/{case.case_id}_t1.nii.gz"
        changed = bytes(reversed(remote.cat_file(path)))
        remote.pipe_file(path, changed)
        case = first(cache)
        fetched.clear()
        with case.here():
            assert case.images["t1"].read_bytes() == changed
        assert len(fetched) == FILES_OF_A_CASE - 1

    def test_a_copy_that_was_damaged_is_fetched_anew(
        self, remote: MemoryFileSystem, cache: FileCache, fetched: list[str]
    ) -> None:
        case = first(cache)
        with case.here():
            os.truncate(case.images["t2"], 10)
        fetched.clear()
        with case.here():
            assert case.images["t2"].stat().st_size > 10
        assert len(fetched) == FILES_OF_A_CASE - 1

    def test_what_was_used_longest_ago_makes_room(self, remote: MemoryFileSystem, cache: FileCache) -> None:
        size = max(case.images_parcel.size for case in found(cache).cases)
        small = FileCache(cache.folder, 2.5 * size / 2**30)
        one, two, three = found(small).cases
        for age, case in ((30, one), (20, two), (10, one)):
            with case.here():
                pass
            then = case.images_parcel.name
            os.utime(small.folder / then, (1e9 - age, 1e9 - age))
        with three.here():
            pass
        kept = {path.name for path in small.folder.iterdir()}
        assert one.images_parcel.name in kept
        assert two.images_parcel.name not in kept
        assert three.images_parcel.name in kept

    def test_what_is_in_use_is_not_removed(self, remote: MemoryFileSystem, cache: FileCache) -> None:
        tiny = FileCache(cache.folder, 1e-9)
        one, two, _ = found(tiny).cases
        with one.here(), two.here():
            assert all(path.is_file() for case in (one, two) for path in case.images.values())

    def test_no_room_at_all(self, cache: FileCache) -> None:
        with pytest.raises(ConfigError) as caught:
            FileCache(cache.folder, 0)
        assert caught.value.where == "data.cache_gib"


class TestInterruptions:
    def test_whole_cases_stay_and_the_rest_follows(
        self,
        remote: MemoryFileSystem,
        cache: FileCache,
        fetched: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        cases = found(cache).cases
        with monkeypatch.context() as patched:
            fail_with(patched, "get_file", KeyboardInterrupt(), after=FILES_OF_A_CASE + 2)
            with cases[0].here():
                pass
            with pytest.raises(KeyboardInterrupt), cases[1].here():
                pass
        assert not list(cache.folder.glob(".*"))
        fetched.clear()
        for case in cases[:2]:
            with case.here():
                pass
        assert len(fetched) == FILES_OF_A_CASE
        assert all(cases[1].case_id in name for name in fetched)

    def test_two_processes_fetch_each_file_once(
        self, phantoms: Path, cache: FileCache, tmp_path: Path
    ) -> None:
        processes = [fetching_process(phantoms, cache, tmp_path / "log") for _ in range(2)]
        for process in processes:
            _, said = process.communicate(timeout=300)
            assert process.returncode == 0, said
        names = (tmp_path / "log").read_text().split()
        assert len(names) == len(set(names)) == 3 * FILES_OF_A_CASE
        assert not list(cache.folder.glob(".*"))

    def test_what_a_killed_process_leaves_is_swept(
        self, phantoms: Path, cache: FileCache, tmp_path: Path
    ) -> None:
        process = fetching_process(phantoms, cache, tmp_path / "log", pause_s=600)
        assert process.stdout is not None
        assert process.stdout.readline() == "fetching\n"
        process.kill()
        process.communicate()
        assert list(cache.folder.glob(".*.tmp"))
        cache.sweep()
        assert not list(cache.folder.iterdir())
        process = fetching_process(phantoms, cache, tmp_path / "log")
        process.communicate(timeout=300)
        assert process.returncode == 0


def fetching_process(root: Path, cache: FileCache, log: Path, pause_s: float = 0.05) -> subprocess.Popen[str]:
    """A process that fetches all cases of a folder as if it were elsewhere, and notes the files."""
    statements = (
        "import sys, time; from pathlib import Path\n"
        "from fsspec.implementations.local import LocalFileSystem\n"
        "from brats3d.data.discovery import discover\n"
        "from brats3d.data.remote import FileCache\n"
        "root, folder, log, pause_s = sys.argv[1:]\n"
        "original = LocalFileSystem.get_file\n"
        "def note(driver, path, *others, **options):\n"
        "    with open(log, 'a') as file: file.write(Path(path).name + '\\n')\n"
        "    print('fetching', flush=True); time.sleep(float(pause_s))\n"
        "    original(driver, path, *others, **options)\n"
        "LocalFileSystem.get_file = note\n"
        "for case in discover('local://' + root, cache=FileCache(Path(folder))).cases:\n"
        "    with case.here(): pass\n"
    )
    words = [str(root), str(cache.folder), str(log), str(pause_s)]
    return subprocess.Popen(
        [sys.executable, "-c", statements, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
