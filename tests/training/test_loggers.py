"""Further loggers: what they get, where they write; with stand-ins, and with the packages where they are."""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from brats3d import assembly
from brats3d.config import load_config, to_plain
from brats3d.errors import ConfigError, MissingExtraError
from brats3d.training.loggers import LOGGERS, FurtherLoggers, flattened

SETTINGS = to_plain(
    load_config(None, seed=7, model__params={"filters": [4, 8]}, trainer__loggers=["mlflow", "wandb"])
)
USERS = ("MLFLOW_TRACKING_URI", "MLFLOW_ALLOW_FILE_STORE", "WANDB_MODE", "WANDB_PROJECT")
OURS = ("MLFLOW_DISABLE_TELEMETRY", "WANDB_ERROR_REPORTING")


class Tiny(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        if torch.isnan(batch).any():
            raise RuntimeError("a training that fails")
        loss: torch.Tensor = self.layer(batch).square().mean()
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def train(run: Path, *names: str, value: float = 1.0) -> FurtherLoggers:
    further = FurtherLoggers(names, run, SETTINGS)
    assert not (run / "logs").exists(), "written before the training"
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        log_every_n_steps=1,
        logger=pl.loggers.CSVLogger(run, name="csv"),
        callbacks=[further],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run,
    )
    trainer.fit(Tiny(), torch.full((4, 2), value))
    return further


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the loggers set is gone afterwards; what the machine sets does not count."""
    for name in (*USERS, *OURS):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.__path__ = []
    module.__dict__.update(content)
    monkeypatch.setitem(sys.modules, name, module)
    return module


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in for MLflow that keeps what it is told."""
    told = SimpleNamespace(uri=None, experiment=None, tags=None, params={}, metrics={}, status=None)

    class Client:
        def __init__(self, uri: str) -> None:
            told.uri = uri

        def get_experiment_by_name(self, name: str) -> None:
            return None

        def create_experiment(self, name: str, artifact_location: object) -> str:
            told.experiment = name
            return "0"

        def create_run(self, experiment_id: str, tags: dict[str, str]) -> SimpleNamespace:
            told.tags = tags
            return SimpleNamespace(info=SimpleNamespace(run_id="1"))

        def log_batch(self, run_id: str, params: Any = (), metrics: Any = (), **_: object) -> None:
            told.params |= {param.key: param.value for param in params}
            told.metrics |= {metric.key: metric.value for metric in metrics}

        def get_run(self, run_id: str) -> bool:
            return True

        def set_terminated(self, run_id: str, status: str) -> None:
            told.status = status

    root = stand_in(monkeypatch, "mlflow", set_tracking_uri=lambda uri: None)
    context = stand_in(monkeypatch, "mlflow.tracking.context")
    stand_in(monkeypatch, "mlflow.tracking", MlflowClient=Client, context=context)
    stand_in(monkeypatch, "mlflow.entities", Param=SimpleNamespace, Metric=SimpleNamespace)
    stand_in(monkeypatch, "mlflow.utils")
    stand_in(monkeypatch, "mlflow.utils.mlflow_tags", MLFLOW_RUN_NAME="runName")
    monkeypatch.setattr("pytorch_lightning.loggers.mlflow._MLFLOW_AVAILABLE", root)
    return told


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in for wandb that keeps what it is told."""
    told = SimpleNamespace(begun=[], mode=None, config={}, logged=[], finished=[])

    class Run:
        def __init__(self) -> None:
            self.config = SimpleNamespace(update=lambda values, **_: told.config.update(values))

        def log(self, values: dict[str, float]) -> None:
            told.logged.append(values)

        def define_metric(self, *_: object, **__: object) -> None:
            pass

        def finish(self, exit_code: int) -> None:
            told.finished.append(exit_code)

    def init(**settings: Any) -> Run:
        told.begun.append(settings)
        told.mode = os.environ.get("WANDB_MODE")
        return Run()

    root = stand_in(monkeypatch, "wandb", init=init, run=None)
    stand_in(monkeypatch, "wandb.sdk")
    stand_in(monkeypatch, "wandb.sdk.lib", RunDisabled=type("RunDisabled", (), {}))
    stand_in(monkeypatch, "wandb.wandb_run", Run=Run)
    monkeypatch.setattr("pytorch_lightning.loggers.wandb._WANDB_AVAILABLE", root)
    return told


class TestMlflow:
    def test_what_it_is_told(self, mlflow: SimpleNamespace, tmp_path: Path) -> None:
        run = tmp_path / "my run"
        train(run, "mlflow")
        assert mlflow.uri == (run / "logs" / "mlflow").as_uri()
        assert mlflow.experiment == "brats3d"
        assert mlflow.tags == {"runName": "my run"}
        assert mlflow.params["seed"] == "7"
        assert mlflow.params["trainer.max_epochs"] == "12"
        assert mlflow.params["model.params.filters"] == "[4, 8]"
        assert mlflow.metrics["train/loss"] > 0
        assert mlflow.status == "FINISHED"

    def test_a_training_that_fails(self, mlflow: SimpleNamespace, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError, match="a training that fails"):
            train(tmp_path, "mlflow", value=float("nan"))
        assert mlflow.status == "FAILED"

    def test_a_server_of_the_user(
        self, mlflow: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
        train(tmp_path, "mlflow")
        assert mlflow.uri == "http://server:5000"

    @pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="mlflow-skinny is not installed")
    def test_the_package_itself(self, tmp_path: Path) -> None:
        from mlflow.tracking import MlflowClient

        train(tmp_path, "mlflow")
        client = MlflowClient((tmp_path / "logs" / "mlflow").as_uri())
        experiment = client.get_experiment_by_name("brats3d")
        (logged,) = client.search_runs([experiment.experiment_id])
        assert logged.info.status == "FINISHED"
        assert logged.data.params["model.params.filters"] == "[4, 8]"
        assert logged.data.metrics["train/loss"] > 0


class TestWandb:
    def test_what_it_is_told(self, wandb: SimpleNamespace, tmp_path: Path) -> None:
        run = tmp_path / "run"
        train(run, "wandb")
        (begun,) = wandb.begun
        assert (begun["name"], begun["dir"], begun["project"]) == ("run", str(run / "logs"), "brats3d")
        assert (run / "logs").is_dir()
        assert wandb.mode == "dryrun"
        assert wandb.config["seed"] == 7
        assert wandb.config["model.params.filters"] == [4, 8]
        assert any("train/loss" in values for values in wandb.logged)
        assert wandb.finished == [0]

    def test_a_training_that_fails(self, wandb: SimpleNamespace, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError, match="a training that fails"):
            train(tmp_path, "wandb", value=float("nan"))
        assert wandb.finished == [1]

    @pytest.mark.parametrize("mode", ["online", "disabled"])
    def test_a_mode_of_the_user(
        self, wandb: SimpleNamespace, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WANDB_MODE", mode)
        train(tmp_path, "wandb")
        assert wandb.mode == mode

    @pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb is not installed")
    def test_the_package_itself(self, tmp_path: Path) -> None:
        train(tmp_path, "wandb")
        (folder,) = (tmp_path / "logs" / "wandb").glob("offline-run-*")
        assert list(folder.glob("run-*.wandb"))


class TestBoth:
    def test_together(self, mlflow: SimpleNamespace, wandb: SimpleNamespace, tmp_path: Path) -> None:
        train(tmp_path, "mlflow", "wandb", "mlflow")
        assert mlflow.params.keys() == wandb.config.keys()
        assert len(wandb.begun) == 1
        assert (tmp_path / "csv").is_dir()

    def test_followers_do_not_log(
        self, mlflow: SimpleNamespace, wandb: SimpleNamespace, tmp_path: Path
    ) -> None:
        further = FurtherLoggers(tuple(LOGGERS), tmp_path, SETTINGS)
        trainer = SimpleNamespace(is_global_zero=False, loggers=["csv"])
        further.setup(trainer, Tiny(), "fit")  # type: ignore[arg-type]
        assert trainer.loggers == ["csv"]
        assert mlflow.uri is None
        assert wandb.begun == []
        assert not list(tmp_path.iterdir())


def test_an_unknown_logger_is_answered_with_the_closest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'mlflow'") as caught:
        FurtherLoggers(["ml-flow"], tmp_path, {})
    assert caught.value.where == "trainer.loggers"


@pytest.mark.parametrize("name", LOGGERS)
def test_a_missing_package(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda package: None if package == name else found(package)
    )
    config = load_config(None, trainer__loggers=[name], trainer__accelerator="cpu")
    machine = assembly.hardware("cpu", "32-true")
    with pytest.raises(MissingExtraError, match=rf"pip install brats3d\[{name}\]"):
        assembly.build_trainer(config, machine, assembly.build_clock(config, 0.0), tmp_path)
    assert not list(tmp_path.iterdir())


def test_flattened() -> None:
    assert flattened({"a": {"b": {"c": 1}, "d": [2]}, "e": None}) == {"a.b.c": 1, "a.d": [2], "e": None}
