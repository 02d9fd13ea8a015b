"""Disks that are full or read-only, interrupted writes: a clear error, and nothing half-written."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brats3d import files
from brats3d.config import FitConfig, PredictConfig
from brats3d.errors import OutputError
from brats3d.training.checkpoints import AtomicCheckpointIO
from brats3d.workflows.evaluate import evaluate
from brats3d.workflows.fit import FitResult, fit
from brats3d.workflows.predict import predict

MakeConfig = Callable[..., FitConfig]
Check = Callable[..., None]
CASE = "BraTS2021_00001"
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small disk of its own, or a skip that says why there is none."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root may mount a small disk, and here it may not be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_fit_on_a_disk_too_small_for_the_prepared_cases(
    tmp_path: Path, fit_config: MakeConfig, check_clean: Check, check_message: Check
) -> None:
    with mounted(tmp_path / "small", "size=64k") as disk:
        with pytest.raises(OutputError, match="No space left") as caught:
            fit(fit_config(disk / "runs", data__store=None))
        check_message(caught.value, "small", "free space")
        check_clean(disk / "runs")


def test_fit_on_a_disk_too_small_for_a_checkpoint(
    tmp_path: Path, fit_config: MakeConfig, check_clean: Check, check_message: Check
) -> None:
    with mounted(tmp_path / "small", "size=48k") as disk:
        with pytest.raises(OutputError, match="No space left") as caught:
            fit(fit_config(disk / "runs"))
        check_message(caught.value, "small", "free space")
        check_clean(disk / "runs")


def test_output_to_a_read_only_disk(
    tmp_path: Path, fit_config: MakeConfig, trained: FitResult, phantom_set: Path, check_message: Check
) -> None:
    with mounted(tmp_path / "fixed", "size=64k,ro") as disk:
        with pytest.raises(OutputError, match="read-only") as caught:
            fit(fit_config(disk / "runs", data__store=None))
        check_message(caught.value, "fixed", "another output folder")
        case_folder = str(phantom_set / CASE)
        with pytest.raises(OutputError, match="read-only"):
            predict(PredictConfig(run=(str(trained.run),), input=case_folder, output=str(disk / "p")))
        with pytest.raises(OutputError, match="read-only"):
            evaluate(phantom_set, phantom_set, disk / "scores", prediction_pattern="*_seg.nii.gz", quiet=True)


def test_output_below_a_file(
    tmp_path: Path, fit_config: MakeConfig, trained: FitResult, phantom_set: Path, check_message: Check
) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OutputError) as caught:
        fit(fit_config(tmp_path / "file" / "runs"))
    check_message(caught.value, "file", "another output folder")
    with pytest.raises(OutputError):
        predict(
            PredictConfig(
                run=(str(trained.run),), input=str(phantom_set / CASE), output=str(tmp_path / "file")
            )
        )
    assert (tmp_path / "file").read_text() == "precious"


def test_a_folder_that_holds_something_else_is_not_taken_for_a_run(
    tmp_path: Path, fit_config: MakeConfig
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="not empty"):
        fit(fit_config(tmp_path))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("step", ["config.yaml", "split.json", "environment.json"])
def test_a_run_that_cannot_be_begun_leaves_nothing(
    tmp_path: Path, fit_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, step: str, check_clean: Check
) -> None:
    write_text = Path.write_text

    def fill(path: Path, *args: Any, **kwargs: Any) -> int:
        if path.name.endswith(step):
            raise FULL
        return write_text(path, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", fill)
    with pytest.raises(OutputError, match="free space"):
        fit(fit_config(tmp_path / "runs"))
    check_clean(tmp_path / "runs")


def test_a_run_whose_folder_cannot_be_made(
    tmp_path: Path, fit_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = Path.mkdir

    def refuse(path: Path, *args: Any, **kwargs: Any) -> None:
        if path.name == "run":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        mkdir(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match="permissions") as caught:
        fit(fit_config(tmp_path / "runs"))
    assert caught.value.where == tmp_path / "runs" / "run"


def test_two_processes_do_not_begin_the_same_run(
    tmp_path: Path, fit_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    is_dir = Path.is_dir

    def other_was_faster(path: Path) -> bool:
        seen = is_dir(path)
        if path == run and not seen:
            run.mkdir()
        return seen

    monkeypatch.setattr(Path, "is_dir", other_was_faster)
    with pytest.raises(OutputError, match="exists already"):
        fit(fit_config(tmp_path))
    assert list(run.iterdir()) == []


def test_a_disk_that_fills_up_later_keeps_what_can_be_resumed(
    tmp_path: Path, fit_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = AtomicCheckpointIO.save_checkpoint
    written: list[str] = []

    def fill(self: AtomicCheckpointIO, checkpoint: dict, path: Any, storage_options: Any = None) -> None:
        if checkpoint["epoch"] == 1:
            monkeypatch.setattr(os, "fsync", out_of_space)
        save(self, checkpoint, path)
        written.append(Path(path).name)

    def out_of_space(descriptor: int) -> None:
        raise FULL

    with monkeypatch.context():
        monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", fill)
        with pytest.raises(OutputError, match="free space"):
            fit(fit_config(tmp_path, trainer__max_epochs=3))
    monkeypatch.undo()
    checkpoints = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert checkpoints == ["best.ckpt", "last.ckpt"]
    result = fit(FitConfig(resume=str(tmp_path / "run")))
    assert len(result.rows) == 3


def test_predict_on_a_disk_that_is_full(
    tmp_path: Path,
    trained: FitResult,
    phantom_set: Path,
    monkeypatch: pytest.MonkeyPatch,
    check_message: Check,
) -> None:
    def fill(path: Path, content: bytes) -> int:
        with path.open("wb") as half:
            half.write(content[: len(content) // 2])
        raise FULL

    monkeypatch.setattr(Path, "write_bytes", fill)
    config = PredictConfig(run=(str(trained.run),), input=str(phantom_set), output=str(tmp_path / "p"))
    with pytest.raises(OutputError, match="free space") as caught:
        predict(config)
    check_message(caught.value, "BraTS2021_00000.nii.gz", "No space left")
    assert list((tmp_path / "p").iterdir()) == []


def test_an_interrupted_prediction_leaves_no_part_of_a_file(
    tmp_path: Path, trained: FitResult, phantom_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(path: Path, content: bytes) -> int:
        with path.open("wb") as half:
            half.write(content[: len(content) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupt)
    config = PredictConfig(run=(str(trained.run),), input=str(phantom_set), output=str(tmp_path / "p"))
    with pytest.raises(KeyboardInterrupt):
        predict(config)
    assert list((tmp_path / "p").iterdir()) == []


@pytest.mark.parametrize("moment", ["preparation", "first epoch"])
def test_an_interrupted_fit_without_a_checkpoint_leaves_no_run(
    tmp_path: Path, fit_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, moment: str, check_clean: Check
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    if moment == "preparation":
        monkeypatch.setattr(np, "savez", interrupt)
    else:
        monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(fit_config(tmp_path / "runs", data__store=None))
    check_clean(tmp_path / "runs")


def test_scores_are_written_whole_or_not_at_all(
    tmp_path: Path, phantom_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        evaluate(
            phantom_set, phantom_set, tmp_path / "s", prediction_pattern="{case}/*_seg.nii.gz", quiet=True
        )
    assert [path.name for path in (tmp_path / "s").iterdir()] == [".scored.jsonl"]
