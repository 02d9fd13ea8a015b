"""Training end to end on tiny phantoms: what a run holds, resuming, heads, folds, time budget."""

from __future__ import annotations

import csv
import dataclasses
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
import torch

from brats3d import assembly
from brats3d.config import FitConfig, SplitConfig, load_config, save_config
from brats3d.data.discovery import discover
from brats3d.data.phantom import write_phantoms
from brats3d.errors import ConfigError, OutputError
from brats3d.metrics import read_metrics_csv
from brats3d.training.checkpoints import read_checkpoint
from brats3d.workflows.fit import FitResult, fit
from brats3d.workflows.runs import RunFolder

MakeConfig = Callable[..., FitConfig]
Logged = Callable[[Path, str], dict[int, float]]
DEADLINE_S = 300.0


# What a run holds


def test_a_run_folder_is_complete(trained: FitResult) -> None:
    run = trained.run
    files = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {
        "config.yaml",
        "split.json",
        "labels.json",
        "environment.json",
        "metrics.csv",
        "metrics.json",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "logs/csv/part-0/metrics.csv",
    } <= files
    assert any(name.startswith("logs/tensorboard/events.out.tfevents") for name in files)
    assert not [name for name in files if Path(name).name.startswith(".")]


def test_a_run_keeps_its_resolved_configuration(
    trained: FitResult, fit_config: MakeConfig, phantom_set: Path
) -> None:
    kept = load_config(trained.run / "config.yaml")
    assert kept == fit_config(trained.run.parent, "trained", trainer__log_every_n_steps=1)
    assert kept.data.root == str(phantom_set)


def test_a_run_records_versions_hardware_and_seed(trained: FitResult) -> None:
    record = json.loads((trained.run / "environment.json").read_text())
    assert record["packages"]["torch"] == metadata.version("torch")
    assert {"monai", "numpy", "pytorch-lightning"} <= set(record["packages"])
    assert record["cores"] == os.cpu_count()
    assert record["processor"]
    assert isinstance(record["gpus"], list)
    assert record["seed"] == 0


def test_scores_are_those_of_the_held_out_cases(trained: FitResult) -> None:
    split = json.loads((trained.run / "split.json").read_text())
    assert [len(split[part]) for part in ("train", "val", "test")] == [4, 1, 1]
    rows = read_metrics_csv(trained.run / "metrics.csv")
    assert [(row.case_id, row.region) for row in rows] == [
        (split["test"][0], region) for region in ("ET", "TC", "WT")
    ]
    with (trained.run / "metrics.csv").open() as file:
        assert next(csv.reader(file))[:10] == (
            "case_id,region,dice,iou,sensitivity,specificity,precision,hd95_mm,volume_pred_ml,volume_ref_ml"
        ).split(",")
    summary = json.loads((trained.run / "metrics.json").read_text())
    assert summary["split"] == "test"
    assert summary["checkpoint"] == "best.ckpt"
    assert summary["cases"] == 1
    assert summary["regions"]["WT"]["dice"]["mean"] == pytest.approx(rows[2]["dice"])


def test_logs_hold_loss_rate_and_dice_of_every_epoch(trained: FitResult, logged: Logged) -> None:
    for column in ("train/loss_epoch", "train/lr", "val/dice", "val/dice_ET"):
        assert list(logged(trained.run, column)) == [0, 1], column


def test_the_best_checkpoint_is_that_of_the_highest_dice(trained: FitResult, logged: Logged) -> None:
    dice = logged(trained.run, "val/dice")
    best = max(dice, key=lambda epoch: (dice[epoch], -epoch))
    assert read_checkpoint(trained.run / "checkpoints" / "best.ckpt")["epoch"] == best
    assert read_checkpoint(trained.run / "checkpoints" / "last.ckpt")["epoch"] == 1


def test_a_run_of_that_name_is_not_overwritten(trained: FitResult, fit_config: MakeConfig) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.run.rglob("*")}
    with pytest.raises(OutputError, match="exists already") as caught:
        fit(fit_config(trained.run.parent, "trained"))
    assert caught.value.where == trained.run
    assert "--resume" in str(caught.value.remedy)
    assert {path: path.stat().st_mtime_ns for path in trained.run.rglob("*")} == before


def test_a_run_without_a_name_is_called_after_model_and_time(tmp_path: Path, fit_config: MakeConfig) -> None:
    assert RunFolder.new(fit_config(tmp_path, None)).path.name.startswith("unet3d-2")


# Splits


def test_no_patient_is_on_two_sides(tmp_path: Path, fit_config: MakeConfig) -> None:
    root = tmp_path / "visits"
    write_phantoms(root, cases=8, visits=2, layout="brats2023", size=(32, 32, 32))
    config = fit_config(tmp_path, data__root=str(root), split__val=0.25, trainer__max_epochs=1)
    result = fit(config)
    split = json.loads((result.run / "split.json").read_text())
    patients = [{case_id.rsplit("-", 1)[0] for case_id in split[part]} for part in ("train", "val", "test")]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 4
    assert sum(map(len, split.values())) == 8
    assert json.loads((result.run / "labels.json").read_text())["convention"] == "brats2023"


def test_each_case_is_validated_in_one_fold(phantom_set: Path) -> None:
    cases = discover(phantom_set).cases
    validated: list[str] = []
    for fold in range(3):
        split = assembly.split_cases(SplitConfig(folds=3, fold=fold, test=0), cases)
        assert len(split.val) == 2
        assert not split.test
        assert set(split.train) == {case.case_id for case in cases} - set(split.val)
        validated += split.val
    assert sorted(validated) == [case.case_id for case in cases]


def test_a_fold_without_test_cases_is_scored_on_its_validation_cases(
    tmp_path: Path, fit_config: MakeConfig
) -> None:
    config = fit_config(tmp_path, split__folds=3, split__fold=1, split__test=0, trainer__max_epochs=1)
    result = fit(config)
    split = json.loads((result.run / "split.json").read_text())
    assert result.summary["split"] == "val"
    assert sorted({row.case_id for row in result.rows}) == split["val"]


def test_without_validation_and_test_the_last_weights_are_kept(
    tmp_path: Path, fit_config: MakeConfig
) -> None:
    result = fit(fit_config(tmp_path, split__val=0, split__test=0))
    assert result.summary["checkpoint"] == "last.ckpt"
    assert result.rows == ()
    assert [path.name for path in (result.run / "checkpoints").iterdir()] == ["last.ckpt"]
    assert read_metrics_csv(result.run / "metrics.csv") == []
    assert json.loads((result.run / "metrics.json").read_text())["cases"] == 0


# What can be trained


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param(
            {
                "model__spatial_dims": 2,
                "model__head": "softmax",
                "loss__name": "cross_entropy",
                "data__modalities": ["flair", "t1ce"],
                "patch__size": [32, 32],
                "slices__first": 8,
                "slices__last": 24,
            },
            id="2d-softmax",
        ),
        pytest.param(
            {"model__spatial_dims": 2, "patch__size": [32, 32], "slices__axis": "coronal"}, id="2d-sigmoid"
        ),
        pytest.param({"model__head": "softmax"}, id="3d-softmax"),
        pytest.param(
            {
                "model__name": "dynunet",
                "model__params": {"filters": [4, 8, 8], "deep_supervision": True},
                "optim__name": "sgd",
                "optim__schedule": "poly",
            },
            id="3d-deep-supervision",
        ),
        pytest.param(
            {
                "optim__ema_decay": None,
                "optim__name": "adam",
                "optim__schedule": "plateau",
                "trainer__accumulate_grad_batches": 2,
                "data__workers": 2,
                "trainer__precision": "bf16-mixed",
            },
            id="3d-bf16-workers",
        ),
    ],
)
def test_heads_dimensions_and_deep_supervision(
    tmp_path: Path, fit_config: MakeConfig, overrides: dict, logged: Logged
) -> None:
    result = fit(fit_config(tmp_path, trainer__max_epochs=1, **overrides))
    assert [row.region for row in result.rows] == ["ET", "TC", "WT"]
    assert all(0.0 <= row["dice"] <= 1.0 for row in result.rows)
    assert list(logged(result.run, "val/dice_WT")) == [0]


def test_phantoms_stand_in_for_a_data_set(tmp_path: Path, fit_config: MakeConfig) -> None:
    config = fit_config(
        tmp_path,
        data__root=None,
        data__store=None,
        data__phantoms={"cases": 4, "size": [32, 32, 32], "seed": 1},
        trainer__max_epochs=1,
    )
    half = tmp_path / ".phantoms" / "4-32x32x32-seed1" / "BraTS2021_00000"
    half.mkdir(parents=True)
    (half / "BraTS2021_00000_t1.nii.gz").write_bytes(b"what an interrupted session left")
    assert fit(config).summary["cases"] == 1
    assert len(list((tmp_path / ".phantoms").glob("*/*/*_seg.nii.gz"))) == 4
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / ".phantoms").rglob("*.nii.gz")}
    prepared = {path: path.stat().st_mtime_ns for path in (tmp_path / ".prepared").rglob("*")}
    assert len(list((tmp_path / ".prepared").iterdir())) == 4
    fit(dataclasses.replace(config, name="again"))
    # Neither phantoms nor prepared cases are made a second time.
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / ".phantoms").rglob("*.nii.gz")} == made
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / ".prepared").rglob("*")} == prepared


# Several processes


def test_two_processes_train_one_run(tmp_path: Path, fit_config: MakeConfig, logged: Logged) -> None:
    config = fit_config(
        tmp_path / "runs",
        None,
        trainer__devices=2,
        trainer__strategy="ddp",
        trainer__max_epochs=3,
        trainer__max_minutes=5.0,
        patch__batch_size=1,
        patch__per_epoch=5,  # does not divide
    )
    save_config(config, tmp_path / "two.yaml")
    command = [sys.executable, "-m", "brats3d.fit", "--config", str(tmp_path / "two.yaml")]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("run folder:") == 1
    assert finished.stderr.count("validation Dice") == 3
    (run,) = (path for path in (tmp_path / "runs").iterdir())
    assert len(read_metrics_csv(run / "metrics.csv")) == 3
    assert list(logged(run, "val/dice")) == [0, 1, 2]
    last = read_checkpoint(run / "checkpoints" / "last.ckpt")
    # Two samples on each process in each of three epochs.
    assert last["global_step"] == 6


def test_processes_started_together_need_the_name_of_their_run(
    tmp_path: Path, fit_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BRATS3D_LED_RUN", raising=False)
    with pytest.raises(ConfigError) as caught:
        RunFolder.joined(fit_config(tmp_path, None))
    assert caught.value.where == "name"
    assert RunFolder.joined(fit_config(tmp_path, "ours")).path == tmp_path / "ours"
    RunFolder(tmp_path / "led").invite()
    assert RunFolder.joined(fit_config(tmp_path, None)).path == tmp_path / "led"


# Settings that cannot work


@pytest.mark.parametrize(
    ("overrides", "where"),
    [
        ({"trainer__precision": "16-mixed"}, "trainer.precision"),
        ({"trainer__precision": "bf16"}, "trainer.precision"),
        ({"trainer__accelerator": "tpu"}, "trainer.accelerator"),
        ({"trainer__strategy": "dpp"}, "trainer"),
        ({"trainer__devices": 0}, "trainer"),
        ({"trainer__max_epochs": 0}, "trainer.max_epochs"),
        ({"trainer__max_minutes": 0.0}, "trainer.max_minutes"),
        ({"trainer__check_val_every_n_epoch": 0}, "trainer.check_val_every_n_epoch"),
        ({"trainer__accumulate_grad_batches": 0}, "trainer.accumulate_grad_batches"),
        ({"trainer__log_every_n_steps": -1}, "trainer.log_every_n_steps"),
        ({"patch__per_epoch": 1}, "patch.per_epoch"),
        ({"patch__batch_size": 0}, "patch.batch_size"),
        ({"patch__foreground": 1.5}, "patch.foreground"),
        ({"optim__ema_decay": 1.0}, "optim.ema_decay"),
        ({"optim__warmup": 1.5}, "optim.warmup"),
        ({"optim__lr": -1.0}, "optim.lr"),
        ({"optim__name": "adamv"}, "optim.name"),
        ({"optim__schedule": "cosin"}, "optim.schedule"),
        ({"optim__plateau_factor": 0.0}, "optim.plateau_factor"),
        ({"data__workers": -1}, "data.workers"),
        ({"patch__size": [16, 16]}, "patch.size"),
        ({"model__spatial_dims": 4, "patch__size": [16, 16, 16, 16]}, "model.spatial_dims"),
        ({"model__spatial_dims": 2, "patch__size": [32, 32], "slices__axis": "axila"}, "slices.axis"),
        (
            {"model__spatial_dims": 2, "patch__size": [32, 32], "slices__first": 30, "slices__last": 31},
            "slices.first, slices.last",
        ),
        (
            {"model__spatial_dims": 2, "patch__size": [32, 32], "preprocess__orientation": "LPS"},
            "preprocess.orientation",
        ),
    ],
)
def test_settings_that_cannot_work_are_found_before_there_is_a_run(
    tmp_path: Path, fit_config: MakeConfig, overrides: dict, where: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        fit(fit_config(tmp_path, **overrides))
    assert caught.value.where == where
    assert list(tmp_path.iterdir()) == []


def test_all_cases_may_be_trained_on_and_then_nothing_is_scored(
    fit_config: MakeConfig, tmp_path: Path
) -> None:
    config = fit_config(tmp_path, split__val=0, split__test=0, trainer__max_epochs=1)
    result = fit(config)
    assert result.rows == ()
    assert result.summary["split"] is None
    assert result.summary["checkpoint"] == "last.ckpt"
    assert len(json.loads((result.run / "split.json").read_text())["train"]) == 6
    assert read_metrics_csv(result.run / "metrics.csv") == []


def test_cases_in_memory_give_the_same_weights(
    tmp_path: Path, fit_config: MakeConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "brats3d")
    weights = []
    for residency in ("disk", "ram"):
        run = fit(fit_config(tmp_path, residency, data__residency=residency, data__workers=1)).run
        weights.append(read_checkpoint(run / "checkpoints" / "last.ckpt")["state_dict"])
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert [text for text in caplog.messages if "4 of 4 training cases are kept in memory" in text]
