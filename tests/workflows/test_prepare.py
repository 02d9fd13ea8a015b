"""``brats3d prepare``: what fit needs, whatever happens to the store meanwhile."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brats3d.__main__ import main
from brats3d.config import FitConfig, PrepareConfig, from_dict, to_plain
from brats3d.data.store import PreparedStore, StoredCase
from brats3d.errors import ConfigError, DataError, OutputError
from brats3d.transforms.preprocessing import Preprocessing
from brats3d.workflows.fit import fit
from brats3d.workflows.prepare import PrepareResult, prepare

MakeConfig = Callable[..., FitConfig]
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def config(copied_set: Path, tmp_path: Path) -> PrepareConfig:
    return from_dict(
        PrepareConfig, {"data": {"root": str(copied_set)}, "store": str(tmp_path / "store"), "jobs": 2}
    )


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the cases that are prepared from now on."""
    original, asked = Preprocessing.prepare, []

    def note(settings: Preprocessing, case: Any, **options: bool) -> object:
        asked.append(case.case_id)
        return original(settings, case, **options)

    monkeypatch.setattr(Preprocessing, "prepare", note)
    return asked


def check_sound(done: PrepareResult) -> None:
    """All entries are whole, and there is nothing else."""
    assert {path.name for path in done.store.iterdir()} == {case.folder.name for case in done.cases}
    assert all(PreparedStore(done.store).verify(case) is None for case in done.cases)


def arrays(case: StoredCase) -> bytes:
    return np.asarray(case.image()).tobytes() + np.asarray(case.classes()).tobytes()


def other_process(config: PrepareConfig, before: str = "") -> subprocess.Popen[str]:
    """A process that prepares the same, after some statements of its own."""
    statements = (
        f"{before}\nimport sys; from brats3d.config import PrepareConfig, from_dict\n"
        "from brats3d.workflows.messages import log_to_terminal; log_to_terminal()\n"
        "from brats3d.workflows.prepare import prepare\n"
        f"prepare(from_dict(PrepareConfig, {to_plain(config)!r}))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", statements], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_fit_finds_what_was_prepared(
    fit_config: MakeConfig, phantom_set: Path, tmp_path: Path, prepared: list[str]
) -> None:
    store = tmp_path / "store"
    assert main(["prepare", "--data.root", str(phantom_set), "--store", str(store)]) == 0
    assert len(prepared) == 6
    fit(fit_config(tmp_path / "runs", data__store=str(store), split__val=0, split__test=0))
    assert len(prepared) == 6


def test_at_the_command_line(config: PrepareConfig, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--data.root", str(config.data.root), "--config", "cpu_20min.yaml", "--jobs", "1"]
    assert main(["prepare", *words, "--store", str(config.store), "--verify"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"6 prepared cases in {config.store}, ")
    assert "prepared 6 cases" in shown.err


def test_without_a_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare"]) == 2
    assert "--data.root DIR" in capsys.readouterr().err


def test_less_than_one_job(config: PrepareConfig) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(from_dict(PrepareConfig, {**to_plain(config), "jobs": 0}))
    assert caught.value.where == "jobs"


def test_touched_and_moved_files_are_found_again(
    config: PrepareConfig, prepared: list[str], tmp_path: Path
) -> None:
    first = prepare(config)
    prepared.clear()
    root = Path(str(config.data.root))
    for path in root.rglob("*.nii.gz"):
        os.utime(path)
    assert prepare(config).cases == first.cases
    moved = root.rename(tmp_path / "moved")
    again = from_dict(PrepareConfig, {**to_plain(config), "data": {"root": str(moved)}})
    assert prepare(again).cases == first.cases
    assert prepared == []


def test_a_file_that_changes_meanwhile(config: PrepareConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Preprocessing.prepare

    def change(settings: Preprocessing, case: Any, **options: bool) -> object:
        done = original(settings, case, **options)
        os.utime(case.images["t1"])
        return done

    monkeypatch.setattr(Preprocessing, "prepare", change)
    with pytest.raises(DataError, match="changed while it was prepared"):
        prepare(config)
    assert list(Path(str(config.store)).iterdir()) == []


def test_damage_is_found_and_mended(config: PrepareConfig, prepared: list[str]) -> None:
    first = prepare(config)
    expected = [arrays(case) for case in first.cases]
    prepared.clear()
    cut, flipped = first.cases[0].folder / "image.b2nd", first.cases[1].folder / "image.b2nd"
    cut.write_bytes(cut.read_bytes()[:-100])
    content = bytearray(flipped.read_bytes())
    content[-5000] ^= 255
    flipped.write_bytes(content)
    prepare(config)
    assert prepared == [first.cases[0].case_id]
    again = prepare(from_dict(PrepareConfig, {**to_plain(config), "verify": True}))
    assert prepared == [first.cases[0].case_id, first.cases[1].case_id]
    assert [arrays(case) for case in again.cases] == expected
    check_sound(again)


def test_on_a_full_disk(
    config: PrepareConfig, monkeypatch: pytest.MonkeyPatch, check_message: Callable[..., None]
) -> None:
    write_bytes, written = Path.write_bytes, []

    def fill(path: Path, data: bytes) -> int:
        if len(written) >= 9:
            raise FULL
        written.append(path)
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(OutputError, match="No space left") as caught:
        prepare(config)
    check_message(caught.value, str(config.store), "free space")
    store = Path(str(config.store))
    assert all(not path.name.startswith(".") for path in store.iterdir())
    monkeypatch.undo()
    check_sound(prepare(config))


def test_two_processes_at_once_share_the_work(config: PrepareConfig) -> None:
    processes = [other_process(config) for _ in range(2)]
    said = []
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        said.append(errors)
    made = [
        int(line.split()[1]) for text in said for line in text.splitlines() if line.startswith("prepared")
    ]
    assert sum(made) == 6, said
    check_sound(prepare(config))


def test_a_killed_preparation_is_finished(config: PrepareConfig, prepared: list[str]) -> None:
    stop_before_the_last_step = (
        "import os, time; from brats3d.data.store.folder import PreparedStore\n"
        "put, done = PreparedStore._put, []\n"
        "def stop(store, temporary, entry):\n"
        "    done.append(entry)\n"
        "    if len(done) > 2: os.write(1, b'now\\n'); time.sleep(600)\n"
        "    put(store, temporary, entry)\n"
        "PreparedStore._put = stop"
    )
    process = other_process(config, stop_before_the_last_step)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
    finally:
        process.kill()
        process.communicate()
    store = Path(str(config.store))
    assert any(path.suffix == ".tmp" for path in store.iterdir())
    done = prepare(config)
    assert len(prepared) == 4
    check_sound(done)


def test_a_store_that_vanishes_during_a_training(
    fit_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from brats3d.data.datasets import PatchDataset

    store, read, count = tmp_path / "store", PatchDataset.__getitem__, []

    def vanish(dataset: PatchDataset, number: int) -> Any:
        count.append(number)
        if len(count) == 3:
            shutil.rmtree(store)
        return read(dataset, number)

    monkeypatch.setattr(PatchDataset, "__getitem__", vanish)
    with pytest.raises(DataError, match="gone") as caught:
        fit(fit_config(tmp_path / "runs", data__store=str(store), split__val=0))
    assert "--resume" in str(caught.value.remedy)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take the right to write; root, who has it always, gets a read-only disk."""
    if os.geteuid() != 0:
        folder.chmod(0o555)
        yield
        folder.chmod(0o755)
        return
    mount = ["mount", "--bind", str(folder), str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("root may not mount here, and may write everywhere")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_complete_store_may_be_read_only(config: PrepareConfig, prepared: list[str]) -> None:
    first = prepare(config)
    prepared.clear()
    with read_only(first.store):
        assert prepare(config).cases == first.cases
        os.utime(next(Path(str(config.data.root)).rglob("*_t1.nii.gz")))
        assert prepare(config).cases == first.cases
        assert prepared == []
        arrays(first.cases[0])
        other = {**to_plain(config), "preprocess": {"margin_voxels": 1}}
        with pytest.raises(OutputError):
            prepare(from_dict(PrepareConfig, other))
