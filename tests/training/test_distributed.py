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
from brats3d.errors import ConfigError
from brats3d.metrics import read_calibration_csv, read_lesions_csv
from brats3d.training.checkpoints import read_checkpoint
from brats3d.training.datamodule import PatchDataModule
from brats3d.workflows.fit import fit

DEADLINE_S = 240
COLUMNS = ("train/loss_step", "train/loss_epoch", "val/dice", "val/dice_ET", "val/dice_TC", "val/dice_WT")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("distributed")
    write_phantoms(made / "data", cases=8, size=(32, 32, 32), seed=3)
    return made


def config(folder: Path, name: str, **overrides: Any) -> FitConfig:
    chosen = {
        "name": name,
        "folder": str(folder / "runs"),
        "data__root": str(folder / "data"),
        "data__store": str(folder / "store"),
        "data__workers": 0,
        "split__val": 3,  # does not divide
        "split__test": 3,
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
        "report": False,
        **overrides,
    }
    return load_config(None, **chosen)


def fit_apart(*words: str) -> None:
    """Train with processes of its own; Lightning starts the others as it was started itself."""
    command = [sys.executable, "-m", "brats3d.fit", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


def fit_with_two(folder: Path, strategy: str, **overrides: Any) -> Path:
    """Train with two processes of half the batch; return the run."""
    chosen = config(
        folder,
        strategy,
        trainer__strategy=strategy,
        trainer__devices=2,
        patch__batch_size=2,
        **overrides,
    )
    file = folder / f"{strategy}.yaml"
    save_config(chosen, file)
    fit_apart("--config", str(file))
    return folder / "runs" / strategy


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
    ours, theirs = held_out_scores(found), held_out_scores(expected)
    assert len(theirs) == 9  # three cases of three regions
    assert ours == pytest.approx(theirs, abs=1e-3, nan_ok=True)
    ours, theirs = counted_voxels(found), counted_voxels(expected)
    assert ours == theirs
    assert set(ours) == {"ET", "TC", "WT"}
    cases = [{row.case_id for row in read_lesions_csv(run / "lesions.csv")} for run in (found, expected)]
    assert cases[0] == cases[1] == {case_id for case_id, _ in held_out_scores(expected)}


def counted_voxels(run: Path) -> dict[str, int]:
    """Voxels of the held-out brains, by region."""
    return {name: sum(own.voxels) for name, own in read_calibration_csv(run / "calibration.csv").items()}


def held_out_scores(run: Path) -> dict[tuple[str, str], float]:
    with (run / "metrics.csv").open(newline="") as rows:
        table = list(csv.DictReader(rows))
    scores = {(row["case_id"], row["region"]): float(row["dice"] or "nan") for row in table}
    assert len(scores) == len(table)  # none twice
    return scores


@pytest.fixture(scope="module")
def alone(folder: Path) -> Path:
    return fit(config(folder, "alone")).run


def test_two_processes_train_as_one(folder: Path, alone: Path) -> None:
    run = fit_with_two(folder, "ddp")
    assert_same_training(run, alone)
    kept = "current_model_state"  # the weights themselves beside their moving average
    torch.testing.assert_close(weights(run, kept), weights(alone, kept), rtol=1e-4, atol=1e-6)


def test_weights_that_are_shared_out_train_as_on_one_process_and_resume(folder: Path) -> None:
    plain = {"optim__ema_decay": None, "split__val": 1}  # one process validates, the other has no case
    alone = fit(config(folder, "plain", **plain)).run
    run = fit_with_two(folder, "fsdp2", **plain)
    assert_same_training(run, alone)
    fit(FitConfig(resume=str(alone), extend=1))
    fit_apart("--resume", str(run), "--extend", "1")
    assert read_checkpoint(run / "checkpoints" / "last.ckpt")["epoch"] == 2
    torch.testing.assert_close(weights(run), weights(alone), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("overrides", "where"),
    [
        ({"trainer__strategy": "fsdp"}, "trainer.strategy"),
        ({"trainer__strategy": "deepspeed_stage_3"}, "trainer.strategy"),
        ({"trainer__strategy": "fsdp2"}, "optim.ema_decay"),
        ({"trainer__strategy": "fsdp2", "optim__ema_decay": None, "trainer__compile": "default"}, "compile"),
        ({"trainer__sync_batchnorm": True}, "trainer.sync_batchnorm"),
    ],
)
def test_what_does_not_go_together_is_said_before_the_training(
    folder: Path, overrides: dict[str, Any], where: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        fit(config(folder, "impossible", **overrides))
    assert str(caught.value.where).endswith(where)
    assert caught.value.remedy
    assert not (folder / "runs" / "impossible").exists()


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
