"""What the progress of a training says, and when."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from brats3d.training import progress as progress_module
from brats3d.training.clock import Clock
from brats3d.training.progress import TrainingProgress


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [100.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: time[0])
    return time


def make_trainer(**changes: object) -> SimpleNamespace:
    metrics = {"train/loss_epoch": torch.tensor(0.5), "val/dice": torch.tensor(0.75)}
    metrics |= {"val/dice_WT": torch.tensor(0.9), "val/dice_ET": torch.tensor(0.6)}
    chosen = {
        "callback_metrics": metrics,
        "current_epoch": 4,
        "sanity_checking": False,
        "is_global_zero": True,
        "world_size": 2,
        **changes,
    }
    return SimpleNamespace(**chosen)


@pytest.fixture
def progress(now: list[float]) -> TrainingProgress:
    return TrainingProgress(
        Clock(max_epochs=10, max_minutes=None, started_at=now[0]), batch_size=3, bar=False
    )


@pytest.fixture
def messages() -> Iterator[list[str]]:
    """What is logged; caplog would depend on how earlier tests left the package's logger."""
    logged: list[str] = []
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("brats3d.training.progress")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield logged
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_validation_is_one_line(progress: TrainingProgress, messages: list[str]) -> None:
    progress.on_validation_end(make_trainer(sanity_checking=True), None)
    progress.on_validation_end(make_trainer(is_global_zero=False), None)
    progress.on_validation_end(make_trainer(callback_metrics={}), None)
    assert not messages
    progress.on_validation_end(make_trainer(), None)
    (line,) = messages
    assert line.startswith("epoch 5: ")
    assert "Dice 0.750" in line
    assert line.endswith("validation Dice ET 0.600 WT 0.900")


def test_the_rate_counts_the_samples_of_all_processes_while_training(
    progress: TrainingProgress, now: list[float]
) -> None:
    trainer = make_trainer()
    for _ in range(4):
        progress.on_train_batch_start(trainer, None, None, 0)
        now[0] += 2.0
        progress.on_train_batch_end(trainer, None, {"loss": torch.tensor(1.0)}, None, 0)
    progress.on_train_epoch_end(trainer, None)
    now[0] += 1000.0  # a validation
    progress.on_train_batch_start(trainer, None, None, 0)
    now[0] += 2.0
    progress.on_train_batch_end(trainer, None, {"loss": torch.tensor(1.0)}, None, 0)
    assert progress.samples_per_second() == pytest.approx(4 * 3 * 2 / 8.0)  # all but the first


def test_the_time_of_the_first_step_is_told_once(
    progress: TrainingProgress, now: list[float], messages: list[str]
) -> None:
    for leads in (False, True):
        now[0] += 7.25
        for _ in range(2):
            progress.on_train_batch_start(make_trainer(), None, None, 0)
            progress.on_train_batch_end(
                make_trainer(is_global_zero=leads), None, {"loss": torch.tensor(1.0)}, None, 0
            )
        progress._under_way = False
    assert messages == ["first step after 14.5 s"]


def test_without_validations_an_epoch_is_told_once_a_minute(
    progress: TrainingProgress, now: list[float], messages: list[str]
) -> None:
    for _ in range(5):
        now[0] += 25.0
        progress.on_train_epoch_end(make_trainer(), None)
    now[0] += 100.0
    progress.on_train_epoch_end(make_trainer(is_global_zero=False), None)
    assert [line.split(",")[0] for line in messages] == ["epoch 5: loss 0.500"]
