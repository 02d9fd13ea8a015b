"""Two processes train and validate as one process does with batches twice as large."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from brats3d.config import FitConfig, load_config, save_config
from brats3d.data.phantom import write_phantoms
from brats3d.training.checkpoints import read_checkpoint
from brats3d.training.datamodule import PatchDataModule
from brats3d.workflows.fit import fit

DEADLINE_S = 240
COLUMNS = ("train/loss_step", "train/loss_epoch", "val/dice", "val/dice_ET", "val/dice_TC", "val/dice_WT")
PARALLEL = {"trainer__devices": 2, "patch__batch_size": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("distributed")
    write_phantoms(made / "data", cases=6, size=(32, 32, 32), seed=3)
    return made


def config(folder: Path, name: str, **overrides: Any) -> FitConfig:
    chosen = {
        "name": name,
        "folder": str(folder / "runs"),
        "data__root": str(folder / "data"),
        "data__store": str(folder / "store"),
        "data__workers": 0,
        "split__val": 3,  # does not divide
        "split__test": 1,
        "patch__size": [16, 16, 16],
        "patch__batch_size": 4,
        "patch__per_epoch": 12,
        "model__params": {"filters": [4, 8]},
        "optim__name": "sgd",  # Adam's steps depend on the sign alone where a gradient is nearly zero
        "optim__momentum": 0.9,
        "optim__lr": 0.05,
        "trainer__max_epochs": 2,
        "trainer__check_val_every_n_epoch": 1,
        "trainer__log_every_n_steps": 1,
        "trainer__accelerator": "cpu",
        "trainer__precision": "32-true",
        **overrides,
    }
    return load_config(None, **chosen)


def fit_apart(config: FitConfig) -> Path:
    """Train with processes of its own; Lightning starts the others as it was started itself."""
    file = Path(config.folder) / f"{config.name}.yaml"
    file.parent.mkdir(exist_ok=True)
    save_config(config, file)
    command = [sys.executable, "-m", "brats3d.fit", "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return Path(config.folder) / str(config.name)


def course(run: Path) -> dict[str, list[float]]:
    """What was logged, in order."""
    (file,) = (run / "logs").glob("csv/part-*/metrics.csv")
    with file.open(newline="") as rows:
        table = list(csv.DictReader(rows))
    return {name: [float(row[name]) for row in table if row.get(name)] for name in COLUMNS}


def weights(run: Path, kind: str = "state_dict") -> dict[str, torch.Tensor]:
    return read_checkpoint(run / "checkpoints" / "last.ckpt")[kind]


def assert_same_training(found: Path, expected: Path) -> None:
    ours, theirs = course(found), course(expected)
    assert len(ours["train/loss_step"]) == 6
    assert len(ours["val/dice"]) == 2
    for name in COLUMNS:
        assert ours[name] == pytest.approx(theirs[name], rel=1e-4), name
    torch.testing.assert_close(weights(found), weights(expected), rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def alone(folder: Path) -> Path:
    return fit(config(folder, "alone")).run


def test_two_processes_train_as_one(folder: Path, alone: Path) -> None:
    run = fit_apart(config(folder, "ddp", trainer__strategy="ddp", **PARALLEL))
    assert_same_training(run, alone)
    kept = "current_model_state"  # the weights themselves beside their moving average
    torch.testing.assert_close(weights(run, kept), weights(alone, kept), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_each_case_is_validated_once_and_all_processes_take_as_many_steps(count: int, ranks: int) -> None:
    cases: list[Any] = [f"case {number}" for number in range(count)]
    data = PatchDataModule([], cases, batch_size=1, samples_per_epoch=1, workers=0)  # type: ignore[arg-type]
    shares = []
    for rank in range(ranks):
        data.trainer = SimpleNamespace(global_rank=rank, world_size=ranks)  # type: ignore[assignment]
        shares.append(list(data.val_dataloader()))
    assert len({len(share) for share in shares}) == 1
    assert sorted(case for share in shares for case in share if case is not None) == cases
