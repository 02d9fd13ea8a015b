"""Processes that torchrun starts train as those that Lightning starts, and go on when one was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import torch
import yaml

from brats3d.data.phantom import write_phantoms
from brats3d.training.checkpoints import read_checkpoint

PATIENCE_S = 300
TRAINING = {
    "report": False,
    "data": {"root": "data", "workers": 0},
    "split": {"val": 1, "test": 1},
    "patch": {"size": [16, 16, 16], "batch_size": 1, "per_epoch": 8},
    "model": {"params": {"filters": [4, 8]}},
    "trainer": {
        "max_epochs": 12,
        "check_val_every_n_epoch": 12,
        "checkpoint_every_n_minutes": 0,
        "accelerator": "cpu",
        "precision": "32-true",
        "devices": 2,
        "strategy": "ddp",
    },
}
# Else the processes that torchrun starts again find the addresses of those before in its store.
ENVIRONMENT = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("torchrun")
    write_phantoms(made / "data", cases=4, size=(32, 32, 32), seed=3)
    (made / "training.yaml").write_text(yaml.safe_dump(TRAINING))
    return made


@pytest.fixture(scope="module")
def lightnings_own(folder: Path) -> Path:
    """Run of two processes that Lightning started."""
    return finished(folder, "own", [sys.executable, "-m", "brats3d.fit"])


def torchrun(*options: str) -> list[str]:
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return [*words, *options, "-m", "brats3d.fit"]


@contextmanager
def started(folder: Path, name: str, launcher: list[str], *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A training; what it says is in NAME.log, and no process of it is left."""
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [*launcher, "--config", "training.yaml", "--name", name, *options],
            cwd=folder,
            env=os.environ | ENVIRONMENT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        family = psutil.Process(process.pid)
        try:
            yield process
        finally:
            left = [*family.children(recursive=True), family] if family.is_running() else []
            for one in left:
                one.kill()
            process.wait()


def ended_well(process: subprocess.Popen[bytes], log: Path) -> None:
    code = process.wait(PATIENCE_S)
    assert code == 0, log.read_text()[-6000:]


def finished(folder: Path, name: str, launcher: list[str], *options: str) -> Path:
    with started(folder, name, launcher, *options) as process:
        ended_well(process, folder / f"{name}.log")
    return folder / "runs" / name


def wait_for_checkpoint(process: subprocess.Popen[bytes], run: Path, log: Path) -> None:
    latest = time.monotonic() + PATIENCE_S
    while not (run / "checkpoints" / "last.ckpt").exists():
        assert process.poll() is None, log.read_text()[-6000:]
        assert time.monotonic() < latest, log.read_text()[-6000:]
        time.sleep(0.01)


def assert_same_weights(run: Path, expected: Path) -> None:
    ours, theirs = (read_checkpoint(one / "checkpoints" / "last.ckpt") for one in (run, expected))
    assert ours["global_step"] == theirs["global_step"] == 48
    torch.testing.assert_close(ours["state_dict"], theirs["state_dict"], rtol=1e-5, atol=1e-7)


def test_it_trains_as_lightnings_own_processes_do(folder: Path, lightnings_own: Path) -> None:
    run = finished(folder, "plain", torchrun())
    assert_same_weights(run, lightnings_own)
    assert (run / "metrics.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_the_training_goes_on_when_a_process_was_killed(
    folder: Path, lightnings_own: Path, rank: int
) -> None:
    name = f"killed-{rank}"
    run, log = folder / "runs" / name, folder / f"{name}.log"
    with started(folder, name, torchrun("--max-restarts", "1"), "--resume", "auto") as process:
        wait_for_checkpoint(process, run, log)
        workers = psutil.Process(process.pid).children()
        (chosen,) = [one for one in workers if one.environ().get("RANK") == str(rank)]
        chosen.kill()
        ended_well(process, log)
    assert_same_weights(run, lightnings_own)
    assert log.read_text().count(f"run {run}") == 2  # announced by each start
    assert (run / "metrics.json").exists()


@pytest.mark.slow
def test_the_same_command_goes_on_after_a_request_to_end(folder: Path, lightnings_own: Path) -> None:
    run, log = folder / "runs" / "asked", folder / "asked.log"
    command = torchrun("--max-restarts", "1")
    with started(folder, "asked", command, "--resume", "auto") as process:
        wait_for_checkpoint(process, run, log)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) != 0
    assert "its state is kept" in log.read_text()
    assert finished(folder, "asked", command, "--resume", "auto") == run
    assert_same_weights(run, lightnings_own)
