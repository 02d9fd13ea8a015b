"""Data sets at URLs: found by their listing, fetched once and whole, told well when they cannot be."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry as registered
from layout_folders import MAKERS

from brats3d.config import FitConfig, from_dict, with_absolute_paths
from brats3d.data.discovery import Discovery, discover
from brats3d.data.phantom import write_phantoms
from brats3d.data.remote import FileCache, RemoteCase
from brats3d.data.remote import storage as storage_module
from brats3d.errors import Brats3dError, ConfigError, DataError, LayoutError, MissingExtraError, OutputError

URL = "memory://bucket/sets/brats2021"
FILES_OF_A_CASE = 5


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


class TestFinding:
    @pytest.mark.parametrize("layout", MAKERS)
    def test_a_listing_tells_what_a_folder_tells(
        self, layout: str, memory: MemoryFileSystem, cache: FileCache, tmp_path: Path
    ) -> None:
        root = tmp_path / "local" / layout
        MAKERS[layout](root)
        upload(memory, root, f"/bucket/{layout}")
        here, there = discover(root), found(cache, f"memory://bucket/{layout}")
        assert (there.layout, there.convention) == (here.layout, here.convention)
        assert there.notes[:-1] == here.notes
        assert str(cache.folder) in there.notes[-1]
        for case, same in zip(there.cases, here.cases, strict=True):
            assert (case.case_id, case.patient, case.visit) == (same.case_id, same.patient, same.visit)
            assert {m: path.name for m, path in case.images.items()} == {
                m: path.name for m, path in same.images.items()
            }
            assert (case.label and case.label.name) == (same.label and same.label.name)
            assert dict(case.channels) == dict(same.channels)

    @pytest.mark.parametrize("layout", ["msd", "nnunet"])
    def test_what_belongs_to_a_folder_of_images_lies_beside_it(
        self, layout: str, memory: MemoryFileSystem, cache: FileCache, tmp_path: Path
    ) -> None:
        MAKERS[layout](tmp_path / layout)
        upload(memory, tmp_path / layout, f"/bucket/{layout}")
        cases = found(cache, f"memory://bucket/{layout}/imagesTr/").cases
        assert [case.case_id for case in cases] == [
            case.case_id for case in discover(tmp_path / layout / "imagesTr").cases
        ]
        with cases[0].here():
            assert cases[0].label is not None
            assert cases[0].label.is_file()

    def test_a_naming_of_ones_own(self, remote: MemoryFileSystem, cache: FileCache) -> None:
        pattern = {"flair": "{case}/*_flair.nii.gz", "label": "{case}/*_seg.nii.gz"}
        there = discover(URL, pattern=pattern, convention="brats2017", cache=cache)
        assert [list(case.images) for case in there.cases] == [["flair"]] * 3

    def test_nothing_is_fetched_for_it(
        self, remote: MemoryFileSystem, cache: FileCache, fetched: list[str]
    ) -> None:
        assert len(found(cache).cases) == 3
        assert fetched == []
        assert not cache.folder.exists()

    def test_names_that_lead_elsewhere_are_passed_over(
        self, remote: MemoryFileSystem, cache: FileCache
    ) -> None:
        remote.store["/bucket/sets/brats2021/../x/x_t1.nii.gz"] = remote.store[
            "/bucket/sets/brats2021/BraTS2021_00000/BraTS2021_00000_t1.nii.gz"
        ]
        assert len(found(cache).cases) == 3

    def test_a_local_url_is_a_folder(self, phantoms: Path) -> None:
        assert discover(f"file://{phantoms}") == discover(phantoms)

    def test_a_case_crosses_process_borders(self, remote: MemoryFileSystem, cache: FileCache) -> None:
        case = first(cache)
        again = pickle.loads(pickle.dumps(case))
        assert again == case
        assert hash(again) == hash(case)


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


def check_told(cache: FileCache, case: RemoteCase, kind: type[Brats3dError], what: str) -> str:
    """The files cannot be had; the error says so, and nothing half-fetched is left."""
    with pytest.raises(kind, match=what) as caught, case.here():
        pass
    assert caught.value.where
    assert caught.value.remedy
    assert not cache.folder.exists() or not list(cache.folder.iterdir())
    return str(caught.value)


def test_urls_stay_as_they_are_in_a_configuration(tmp_path: Path) -> None:
    def root_of(root: str) -> str | None:
        return with_absolute_paths(from_dict(FitConfig, {"data": {"root": root}})).data.root

    assert root_of("s3://bucket/folder") == "s3://bucket/folder"
    assert root_of(f"file://{tmp_path}") == str(tmp_path)
    assert root_of("folder") == os.path.abspath("folder")


def test_the_cache_is_below_the_users_folder_for_such(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert FileCache.default_folder() == tmp_path / "brats3d"
