"""Checkpoint files: atomic, plain, and clear about what is wrong with them; best and last."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from brats3d.errors import OutputError, RunError
from brats3d.training import checkpoints as checkpoints_module
from brats3d.training.checkpoints import AtomicCheckpointIO, BestAndLast, read_checkpoint

CONTENT = {"state_dict": {"weight": torch.arange(5.0)}, "epoch": 3, "callbacks": {"x": [1, None, "a"]}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "checkpoints" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(CONTENT, file)
    return file


def test_a_checkpoint_gives_back_what_was_written(path: Path) -> None:
    content = AtomicCheckpointIO().load_checkpoint(path)
    torch.testing.assert_close(content["state_dict"], CONTENT["state_dict"])
    assert content["callbacks"] == CONTENT["callbacks"]
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("moment", ["save", "write", "rename"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failing_write_keeps_the_checkpoint_of_before(
    path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, error: BaseException
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    target, name = {
        "save": (torch, "save"),
        "write": (os, "fsync"),
        "rename": (os, "replace"),
    }[moment]
    monkeypatch.setattr(target, name, fail)
    outside = moment == "save" and isinstance(error, OSError)
    expected = OutputError if isinstance(error, OSError) and not outside else type(error)
    with pytest.raises(expected):
        AtomicCheckpointIO().save_checkpoint({"state_dict": {}}, path)
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]
    assert read_checkpoint(path)["epoch"] == 3


def test_a_full_disk_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="free space") as caught:
        AtomicCheckpointIO().save_checkpoint(CONTENT, path)
    assert caught.value.where == path


def test_on_a_full_disk_a_training_may_go_on_with_the_checkpoint_of_before(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    writer = AtomicCheckpointIO()
    writer.may_fail = True
    write = Path.write_bytes

    def fails(number: int) -> None:
        def fail(self: Path, content: bytes) -> int:
            write(self, content[:10])
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(Path, "write_bytes", fail)

    fails(errno.ENOSPC)
    writer.save_checkpoint({"state_dict": {}, "epoch": 4}, path)
    assert "goes on" in caplog.text
    assert read_checkpoint(path)["epoch"] == 3
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]
    with pytest.raises(OutputError):  # there is none of before
        writer.save_checkpoint(CONTENT, path.with_name("best.ckpt"))
    fails(errno.EACCES)
    with pytest.raises(OutputError):
        writer.save_checkpoint(CONTENT, path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not found") as caught:
        read_checkpoint(tmp_path / "last.ckpt")
    assert caught.value.where == tmp_path / "last.ckpt"


@pytest.mark.parametrize("kept", [0, 1, 100, -100])
def test_a_torn_file(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(RunError, match="cannot read") as caught:
        AtomicCheckpointIO().load_checkpoint(path)
    assert caught.value.where == path
    assert caught.value.remedy


class Trap:
    """Leaves a trace when unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize(
    "write", [torch.save, lambda content, file: file.write_bytes(pickle.dumps(content, 2))]
)
def test_code_in_a_file_is_not_run(tmp_path: Path, write) -> None:
    file, trace = tmp_path / "last.ckpt", tmp_path / "trace"
    write({"state_dict": {}, "trap": Trap(trace)}, file)
    with pytest.raises(RunError, match="cannot read"):
        read_checkpoint(file)
    assert not trace.exists()


@pytest.mark.parametrize("content", [{"epoch": 1}, [1, 2], torch.zeros(3)])
def test_a_file_of_something_else(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "x.ckpt")
    with pytest.raises(RunError, match="not a checkpoint"):
        read_checkpoint(tmp_path / "x.ckpt")


class Recorder(SimpleNamespace):
    """Stands in for Lightning's trainer and notes what is saved when."""

    def __init__(self) -> None:
        super().__init__(
            sanity_checking=False, should_stop=False, current_epoch=0, callback_metrics={}, world_size=1
        )
        self.strategy = SimpleNamespace(broadcast=lambda value: value, checkpoint_io=None)
        self.saved: list[str] = []

    def save_checkpoint(self, path: Path) -> None:
        self.saved.append(path.stem)


def epochs(callback: BestAndLast, trainer: Recorder, scores: list[float | None]) -> list[list[str]]:
    written = []
    for score in scores:
        if score is not None:
            trainer.callback_metrics = {"val/dice": torch.tensor(score)}
            callback.on_validation_end(trainer, None)
        trainer.saved = []
        callback.on_train_epoch_end(trainer, None)
        written.append(trainer.saved)
        trainer.current_epoch += 1
    return written


def test_best_is_written_when_the_score_rises_and_last_after_each_validation(tmp_path: Path) -> None:
    callback = BestAndLast(tmp_path, minutes=1e6)
    written = epochs(callback, Recorder(), [0.2, None, 0.1, 0.2, None, 0.3])
    assert written == [["best", "last"], [], ["last"], ["last"], [], ["best", "last"]]
    assert callback.best_epoch == 5
    assert callback.best_score == pytest.approx(0.3)


def test_last_is_written_at_the_end_and_when_time_has_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(checkpoints_module.time, "monotonic", lambda: now[0])
    callback, trainer = BestAndLast(tmp_path, minutes=1.0), Recorder()
    assert epochs(callback, trainer, [None]) == [[]]
    now[0] = 60.0
    assert epochs(callback, trainer, [None, None]) == [["last"], []]
    trainer.should_stop = True
    assert epochs(callback, trainer, [None]) == [["last"]]


def test_a_resumed_training_remembers_its_best(tmp_path: Path) -> None:
    first = BestAndLast(tmp_path, minutes=1e6)
    epochs(first, Recorder(), [0.5])
    second = BestAndLast(tmp_path, minutes=1e6)
    second.load_state_dict(first.state_dict())
    assert epochs(second, Recorder(), [0.4, 0.6]) == [["last"], ["best", "last"]]


def test_best_holds_its_own_score(tmp_path: Path) -> None:
    states = {}
    callback, trainer = BestAndLast(tmp_path, minutes=1e6), Recorder()
    trainer.save_checkpoint = lambda path: states.setdefault(path.stem, dict(callback.state_dict()))
    epochs(callback, trainer, [0.5])
    assert states["best"] == states["last"] == {"best_score": 0.5, "best_epoch": 0}
