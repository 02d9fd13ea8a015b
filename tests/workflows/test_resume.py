"""Resuming: bit for bit after an interruption, after a kill, and not beyond the end."""

from __future__ import annotations

import csv
import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from brats3d import assembly
from brats3d.config import FitConfig, save_config
from brats3d.data.discovery import discover
from brats3d.data.phantom import write_phantoms
from brats3d.errors import ConfigError, Interrupted, RunError, output_error
from brats3d.metrics import read_metrics_csv
from brats3d.training.checkpoints import AtomicCheckpointIO, read_checkpoint
from brats3d.training.seeding import BatchSeeds
from brats3d.workflows.fit import FitResult, fit
from brats3d.workflows.runs import RunFolder

MakeConfig = Callable[..., FitConfig]
Logged = Callable[[Path, str], dict[int, float]]
DEADLINE_S = 300.0


def assert_same_state(first: Path, second: Path) -> None:
    """Weights, averages, optimiser: everything in two checkpoints but times is the same, bit for bit."""
    for name in ("best", "last"):
        one, two = (read_checkpoint(run / "checkpoints" / f"{name}.ckpt") for run in (first, second))
        assert one["epoch"] == two["epoch"]
        assert one["global_step"] == two["global_step"]
        for part in ("state_dict", "optimizer_states", "current_model_state", "averaging_state"):
            assert (part in one) == (part in two)
            torch.testing.assert_close(one.get(part), two.get(part), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param({"optim__ema_decay": None}, id="plain"),
        pytest.param({"model__params": {"filters": [4, 8], "dropout": 0.3}}, id="dropout-ema"),
        pytest.param({"augment__where": "batch"}, id="batches-augmented"),
        pytest.param(
            {"optim__ema_decay": None, "optim__dwell": 0.5, "trainer__early_stopping_patience": 3}, id="dwell"
        ),
        pytest.param(
            {
                "model__spatial_dims": 2,
                "patch__size": [32, 32],
                "optim__schedule": "plateau",
                "optim__plateau_patience": 1,
                "model__params": {"filters": [4, 8], "dropout": 0.3, "normalisation": "batch"},
            },
            id="2d-plateau-batch-norm",
        ),
    ],
)
def test_a_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, fit_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, overrides: dict, logged: Logged
) -> None:
    shared = {"trainer__max_epochs": 4, "optim__warmup": 0.4, **overrides}
    whole = fit(fit_config(tmp_path, "whole", **shared))

    seed_epoch = BatchSeeds.on_train_batch_start

    def interrupt(self, trainer, pl_module, batch, batch_idx) -> None:
        if (trainer.current_epoch, batch_idx) == (2, 1):
            raise KeyboardInterrupt
        seed_epoch(self, trainer, pl_module, batch, batch_idx)

    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patched:
        patched.setattr(BatchSeeds, "on_train_batch_start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fit(fit_config(tmp_path, "parts", **shared))
    assert signal.getsignal(signal.SIGINT) is handler
    run = tmp_path / "parts"
    assert not (run / "metrics.csv").exists()
    assert read_checkpoint(run / "checkpoints" / "last.ckpt")["epoch"] == 1

    torch.rand(7)  # a new session finds the generators in some other state
    resumed = fit(FitConfig(resume=str(run)))
    assert resumed.run == run
    assert_same_state(whole.run, run)
    assert resumed.rows == whole.rows
    assert logged(run, "val/dice") == logged(whole.run, "val/dice")
    assert logged(run, "train/lr") == pytest.approx(logged(whole.run, "train/lr"))


def test_a_killed_run_is_resumed(tmp_path: Path, fit_config: MakeConfig) -> None:
    epochs = 15
    config = fit_config(tmp_path, "killed", trainer__max_epochs=epochs, patch__per_epoch=8)
    save_config(config, tmp_path / "killed.yaml")
    run = tmp_path / "killed"
    command = [sys.executable, "-m", "brats3d.fit", "--config", str(tmp_path / "killed.yaml")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + DEADLINE_S
        while not (run / "checkpoints" / "last.ckpt").exists():
            assert process.poll() is None, "the training ended before it wrote a checkpoint"
            assert time.monotonic() < deadline, "no checkpoint"
            time.sleep(0.005)
        process.kill()
    reached = read_checkpoint(run / "checkpoints" / "last.ckpt")["epoch"]
    assert reached < epochs - 1
    assert not (run / "metrics.csv").exists()

    fit(FitConfig(resume="killed", folder=str(tmp_path)))
    assert read_checkpoint(run / "checkpoints" / "last.ckpt")["epoch"] == epochs - 1
    with (run / "logs" / "csv" / "part-1" / "metrics.csv").open(newline="") as rows:
        continued = {int(row["epoch"]) for row in csv.DictReader(rows) if row["val/dice"]}
    assert continued == set(range(reached + 1, epochs))
    assert len(read_metrics_csv(run / "metrics.csv")) == 3


def test_a_finished_run_is_scored_again_and_not_trained_further(
    tmp_path: Path, trained: FitResult, fit_config: MakeConfig
) -> None:
    run = Path(shutil.copytree(trained.run, tmp_path / "finished"))
    (run / "metrics.csv").unlink()
    result = fit(FitConfig(resume="last", folder=str(tmp_path)))
    assert result.run == run
    assert result.rows == trained.rows
    assert_same_state(run, trained.run)


def test_a_resumed_run_keeps_its_split_when_the_data_set_grows(
    tmp_path: Path, copied_set: Path, fit_config: MakeConfig
) -> None:
    config = fit_config(tmp_path, data__root=str(copied_set), trainer__max_epochs=1)
    result = fit(config)
    kept = json.loads((result.run / "split.json").read_text())
    more = tmp_path / "more"
    write_phantoms(more, cases=9, size=(32, 32, 32), seed=4)
    for case_id in ("BraTS2021_00007", "BraTS2021_00008"):
        (more / case_id).rename(copied_set / case_id)
    assert assembly.split_cases(config.split, discover(copied_set).cases).to_dict() != kept
    again = fit(FitConfig(resume=str(result.run)))
    assert json.loads((result.run / "split.json").read_text()) == kept
    assert again.rows == result.rows


def test_a_case_of_the_run_that_is_gone(tmp_path: Path, copied_set: Path, fit_config: MakeConfig) -> None:
    result = fit(fit_config(tmp_path, data__root=str(copied_set), trainer__max_epochs=1))
    shutil.rmtree(copied_set / result.rows[0].case_id)
    with pytest.raises(RunError, match="no longer in the data set") as caught:
        fit(FitConfig(resume=str(result.run)))
    assert caught.value.where == result.rows[0].case_id


def test_a_torn_checkpoint_is_not_resumed(tmp_path: Path, trained: FitResult) -> None:
    run = Path(shutil.copytree(trained.run, tmp_path / "torn"))
    for name in ("last", "previous"):
        file = run / "checkpoints" / f"{name}.ckpt"
        file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(RunError, match="cannot read the checkpoint") as caught:
        fit(FitConfig(resume=str(run)))
    assert caught.value.where == file


@pytest.mark.parametrize("damage", ["torn", "changed", "gone"])
def test_of_a_damaged_checkpoint_the_one_before_is_resumed(
    tmp_path: Path, trained: FitResult, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    run = Path(shutil.copytree(trained.run, tmp_path / "damaged"))
    last = run / "checkpoints" / "last.ckpt"
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "gone":
        last.unlink()
    else:
        last.write_bytes(content[:1000] if damage == "torn" else content)
    assert read_checkpoint(run / "checkpoints" / "previous.ckpt")["epoch"] == 0
    result = fit(FitConfig(resume=str(run)))
    assert ("the one before" in caplog.text) == (damage != "gone")
    assert_same_state(run, trained.run)
    assert result.rows == trained.rows


_DROPOUT = {"model__params": {"filters": [4, 8], "dropout": 0.3}}
_ACCUMULATED = {"trainer__accumulate_grad_batches": 2, "patch__per_epoch": 10}


@pytest.mark.parametrize(
    ("overrides", "place", "kept_batches"),
    [
        pytest.param(_DROPOUT, (0, 1), 1, id="first epoch"),
        pytest.param(_DROPOUT, (1, 2), 2, id="some epoch"),
        pytest.param(_DROPOUT, (2, 3), 3, id="last epoch"),
        pytest.param({"augment__where": "batch", "data__workers": 2}, (1, 2), 2, id="by workers"),
        pytest.param(_ACCUMULATED, (1, 3), 2, id="accumulated"),
        pytest.param(
            {"trainer__check_val_every_n_epoch": 2, "optim__ema_decay": None},
            (2, 1),
            1,
            id="seldom validated",
        ),
    ],
)
def test_a_run_is_resumed_in_the_middle_of_an_epoch(
    tmp_path: Path,
    fit_config: MakeConfig,
    monkeypatch: pytest.MonkeyPatch,
    overrides: dict,
    place: tuple[int, int],
    kept_batches: int,
    logged: Logged,
) -> None:
    shared = {
        "trainer__max_epochs": 3,
        "trainer__checkpoint_every_n_minutes": 0.0,
        "patch__per_epoch": 8,
        **overrides,
    }
    whole = fit(fit_config(tmp_path, "whole", **shared))
    start = BatchSeeds.on_train_batch_start

    def interrupt(self, trainer, pl_module, batch, batch_idx) -> None:
        if (trainer.current_epoch, batch_idx) == place:
            raise KeyboardInterrupt
        start(self, trainer, pl_module, batch, batch_idx)

    with monkeypatch.context() as patched:
        patched.setattr(BatchSeeds, "on_train_batch_start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fit(fit_config(tmp_path, "parts", **shared))
    run = tmp_path / "parts"
    kept = read_checkpoint(run / "checkpoints" / "last.ckpt")
    assert kept["epoch"] == place[0]
    progress = kept["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    assert progress["current"]["processed"] == kept_batches
    resumed = fit(FitConfig(resume=str(run)))
    assert_same_state(whole.run, run)
    assert resumed.rows == whole.rows
    # The loss of the epoch that was interrupted is that of all its batches.
    assert logged(run, "train/loss_epoch") == logged(whole.run, "train/loss_epoch")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_signal_ends_a_training_that_can_be_continued(
    tmp_path: Path, fit_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shared = {"trainer__max_epochs": 3, "patch__per_epoch": 8}
    whole = fit(fit_config(tmp_path, "whole", **shared))
    start = BatchSeeds.on_train_batch_start

    def ask(self, trainer, pl_module, batch, batch_idx) -> None:
        start(self, trainer, pl_module, batch, batch_idx)
        if (trainer.current_epoch, batch_idx) == (1, 1):
            os.kill(os.getpid(), getattr(signal, name))

    before = signal.getsignal(getattr(signal, name))
    with monkeypatch.context() as patched:
        patched.setattr(BatchSeeds, "on_train_batch_start", ask)
        with pytest.raises(Interrupted, match=name) as caught:
            fit(fit_config(tmp_path, "parts", **shared))
    assert caught.value.exit_code == 75
    assert "--resume" in str(caught.value)
    assert signal.getsignal(getattr(signal, name)) is before
    kept = read_checkpoint(tmp_path / "parts" / "checkpoints" / "last.ckpt")
    assert kept["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]["processed"] == 2
    resumed = fit(FitConfig(resume=str(tmp_path / "parts")))
    assert_same_state(whole.run, tmp_path / "parts")
    assert resumed.rows == whole.rows


def test_a_finished_run_is_extended(tmp_path: Path, trained: FitResult) -> None:
    run = Path(shutil.copytree(trained.run, tmp_path / "short"))
    fit(FitConfig(resume=str(run), extend=2))
    assert read_checkpoint(run / "checkpoints" / "last.ckpt")["epoch"] == 3
    assert RunFolder.open(run).config().trainer.max_epochs == 4
    fit(FitConfig(resume=str(run)))  # now it has ended, and scores again
    assert read_checkpoint(run / "checkpoints" / "last.ckpt")["epoch"] == 3


@pytest.mark.parametrize("amount", [0, -1, 1.5])
def test_amounts_that_extend_nothing(trained: FitResult, amount: float) -> None:
    with pytest.raises(ConfigError) as caught:
        fit(FitConfig(resume=str(trained.run), extend=amount))
    assert caught.value.where == "extend"
    with pytest.raises(ConfigError, match="only a run can be extended"):
        fit(FitConfig(extend=2))


def test_a_run_that_has_no_checkpoint_yet(tmp_path: Path, trained: FitResult) -> None:
    run = Path(shutil.copytree(trained.run, tmp_path / "young"))
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(RunError, match="no checkpoint yet"):
        fit(FitConfig(resume=str(run)))


def test_a_run_that_does_not_exist(trained: FitResult) -> None:
    with pytest.raises(RunError, match=r"did you mean .*trained") as caught:
        fit(FitConfig(resume="trainde", folder=str(trained.run.parent)))
    assert str(caught.value.where) == "trainde"


def test_a_time_budget_ends_the_training(tmp_path: Path, fit_config: MakeConfig, logged: Logged) -> None:
    most = 100_000
    config = fit_config(
        tmp_path,
        trainer__max_epochs=most,
        trainer__max_minutes=0.05,
        trainer__check_val_every_n_epoch=1000,
        optim__schedule="cosine",
    )
    result = fit(config)
    rates = logged(result.run, "train/lr")
    assert 0 < len(rates) < most
    # The schedule ends with the budget, and the last epoch validates.
    assert rates[max(rates)] < 0.5 * config.optim.lr
    assert list(logged(result.run, "val/dice")) == [max(rates)]
    assert result.summary["checkpoint"] == "best.ckpt"
    assert result.summary["training_minutes"] > 0
    # It is over: resuming scores it again.
    again = fit(FitConfig(resume=str(result.run)))
    assert again.rows == result.rows
    assert len(logged(result.run, "train/lr")) == len(rates)


def test_settings_beside_resume_are_refused_unless_they_are_the_runs(trained: FitResult) -> None:
    kept = RunFolder(trained.run).config()
    other = dataclasses.replace(kept.trainer, max_epochs=50)
    given = dataclasses.replace(FitConfig(), resume=str(trained.run), trainer=other)
    with pytest.raises(ConfigError, match="keeps its own settings") as caught:
        fit(given)
    assert caught.value.where == "trainer.max_epochs"
    assert caught.value.got == 50
    assert caught.value.expected == kept.trainer.max_epochs


def test_a_run_keeps_absolute_paths(
    fit_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phantom_set: Path
) -> None:
    monkeypatch.chdir(phantom_set.parent)
    config = fit_config(Path("runs"), data__root=phantom_set.name, trainer__max_epochs=1)
    kept = RunFolder(fit(config).run).config()
    assert Path(kept.data.root or "") == phantom_set
    assert Path(kept.folder) == phantom_set.parent / "runs"


def test_a_disk_that_is_full_for_a_while(
    tmp_path: Path, fit_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shared = {"trainer__max_epochs": 4, "trainer__checkpoint_every_n_minutes": 0.0}
    whole = fit(fit_config(tmp_path, "whole", **shared))
    write, writes = AtomicCheckpointIO._write, []

    def sometimes_full(content: bytes, final: Path) -> None:
        writes.append(final.name)
        if 3 < len(writes) <= 6:
            raise output_error(final, OSError(errno.ENOSPC, "full")) from OSError(errno.ENOSPC, "full")
        write(content, final)

    monkeypatch.setattr(AtomicCheckpointIO, "_write", staticmethod(sometimes_full))
    run = fit(fit_config(tmp_path, "parts", **shared)).run
    assert caplog.text.count("no room for a checkpoint") == 3
    assert_same_state(whole.run, run)
