"""Atomic files: all or nothing, whatever goes wrong."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from brats3d.errors import DataError, OutputError
from brats3d.files import atomic_path, make_folder, write_json, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(path: Path, error: BaseException) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise error


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "result.txt"
    path.write_text("old")
    return path


def test_the_file_appears_whole_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "x.nii.gz"
    with atomic_path(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(".x.nii.gz")
        temporary.write_bytes(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["x.nii.gz"]


def test_an_existing_file_is_replaced(old: Path) -> None:
    write_text(old, "new")
    assert old.read_text() == "new"


def test_not_without_permission(old: Path) -> None:
    with pytest.raises(OutputError, match="exists already") as caught, atomic_path(old, overwrite=False):
        raise AssertionError("the block must not run")
    assert caught.value.where == old
    assert "--overwrite" in str(caught.value.remedy)
    assert old.read_text() == "old"


def test_overwrite_false_writes_what_is_not_there(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "x", overwrite=False) as temporary:
        temporary.write_text("new")
    assert (tmp_path / "x").read_text() == "new"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, RuntimeError, MemoryError])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    old: Path, interruption: type[BaseException]
) -> None:
    with pytest.raises(interruption):
        write_half(old, interruption())
    assert old.read_text() == "old"
    assert names(old.parent) == ["result.txt"]


def test_an_error_of_this_package_passes_as_it_is(old: Path) -> None:
    with pytest.raises(DataError), atomic_path(old):
        raise DataError("something else")
    assert old.read_text() == "old"


# Tests may run as root, to whom no file mode forbids anything: failures are made where they occur.
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
@pytest.mark.parametrize("step", ["write_text", "fsync", "replace"])
def test_a_failed_write_is_explained_and_undone(
    old: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    if step == "write_text":
        monkeypatch.setattr(Path, "write_text", fail)
    else:
        monkeypatch.setattr(os, step, fail)
    with pytest.raises(OutputError, match=os.strerror(number)) as caught:
        write_text(old, "new")
    assert caught.value.where == old
    assert old.read_text() == "old"
    assert names(old.parent) == ["result.txt"]


def test_a_full_disk_in_the_middle_of_a_file(old: Path) -> None:
    with pytest.raises(OutputError, match="free space"):
        write_half(old, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert names(old.parent) == ["result.txt"]


def test_a_disk_that_is_read_only(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)  # such a disk refuses even to remove what is not there
    with pytest.raises(OutputError, match="cannot write the result"):
        write_half(old, OSError(errno.EROFS, "Read-only file system"))


def test_a_file_where_a_folder_is_needed(old: Path) -> None:
    with pytest.raises(OutputError, match="a file stands"):
        make_folder(old)
    with pytest.raises(OutputError, match="a file stands"):
        write_text(old / "x.txt", "new")


def test_a_folder_where_the_file_should_go(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(OutputError):
        write_text(tmp_path / "x", "new")
    assert names(tmp_path) == ["x"]


def test_making_a_folder_twice(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a" / "b") == make_folder(str(tmp_path / "a" / "b"))


def test_text_is_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "Größe ≥ 1\n")
    assert (tmp_path / "x").read_bytes().decode("utf-8") == "Größe ≥ 1\n"


def test_json_has_null_for_what_json_cannot_say(tmp_path: Path) -> None:
    content = {"a": [1, float("nan"), (2.5, float("inf"))], 7: {"b": float("-inf"), "c": None, "d": True}}
    write_json(tmp_path / "x.json", content)
    read = json.loads((tmp_path / "x.json").read_text())
    assert read == {"a": [1, None, [2.5, None]], "7": {"b": None, "c": None, "d": True}}
