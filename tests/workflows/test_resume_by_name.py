"""`resume: auto`: one command that begins a run, and goes on with it each time it is given again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brats3d.config import FitConfig
from brats3d.errors import ConfigError, OutputError
from brats3d.training.checkpoints import read_checkpoint
from brats3d.training.seeding import BatchSeeds
from brats3d.workflows.fit import fit

MakeConfig = Callable[..., FitConfig]


@pytest.fixture
def config(tmp_path: Path, fit_config: MakeConfig) -> FitConfig:
    return fit_config(tmp_path, "run", resume="auto")


def killed_before_epoch(number: int, monkeypatch: pytest.MonkeyPatch, config: FitConfig) -> None:
    """Train as far as a process that is then killed, which clears up nothing."""

    def die(self: Any, trainer: Any, *rest: Any) -> None:
        if trainer.current_epoch == number:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(BatchSeeds, "on_train_batch_start", die)
        patched.setattr("brats3d.workflows.runs.RunFolder.discard", lambda run: None)
        with pytest.raises(KeyboardInterrupt):
            fit(config)


def parts(run: Path) -> int:
    return len(list(run.glob("logs/csv/part-*")))


def test_it_begins_the_run_and_goes_on_with_it(
    config: FitConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    killed_before_epoch(1, monkeypatch, config)
    assert read_checkpoint(run / "checkpoints" / "last.ckpt")["epoch"] == 0
    (run / "witness").touch()
    assert fit(config).run == run
    assert read_checkpoint(run / "checkpoints" / "last.ckpt")["epoch"] == 1
    assert (run / "metrics.json").exists()
    assert (run / "witness").exists()
    assert parts(run) == 2


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(
    config: FitConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_before_epoch(0, monkeypatch, config)
    (tmp_path / "run" / "witness").touch()
    run = fit(config).run
    assert not (run / "witness").exists()
    assert read_checkpoint(run / "checkpoints" / "last.ckpt")["epoch"] == 1


def test_what_was_trained_is_never_removed(config: FitConfig, tmp_path: Path) -> None:
    best = tmp_path / "run" / "checkpoints" / "best.ckpt"
    best.parent.mkdir(parents=True)
    best.touch()
    (tmp_path / "run" / "config.yaml").touch()
    with pytest.raises(OutputError, match="exists already"):
        fit(config)
    assert best.exists()


@pytest.mark.parametrize(
    ("wrong", "where"), [({"name": None}, "name"), ({"extend": 1.0}, "extend")], ids=["nameless", "extended"]
)
def test_what_cannot_be_started_again_and_again_is_refused(
    config: FitConfig, tmp_path: Path, wrong: dict[str, Any], where: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        fit(dataclasses.replace(config, **wrong))
    assert caught.value.where == where
    assert caught.value.remedy
    assert list(tmp_path.iterdir()) == []
