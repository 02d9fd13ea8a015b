"""The end of a training that does not get better."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from brats3d.training.clock import Clock
from brats3d.training.early_stopping import EarlyStopping


def clock(epochs: int = 9) -> Clock:
    return Clock(max_epochs=epochs, max_minutes=None, started_at=0.0)


def trainer(dice: float | None = None) -> Any:
    metrics = {} if dice is None else {"val/dice": torch.tensor(dice)}
    return SimpleNamespace(
        callback_metrics=metrics, sanity_checking=False, is_global_zero=True, should_stop=False
    )


def ended(stopping: EarlyStopping, *scores: float | None) -> list[bool]:
    found = []
    for dice in scores:
        own = trainer(dice)
        stopping.on_validation_end(own, None)  # type: ignore[arg-type]
        found.append(own.should_stop)
    return found


def test_only_validations_in_a_row_count() -> None:
    assert ended(EarlyStopping(2, clock()), 0.5, 0.4, 0.6, 0.6, None, 0.5) == [False] * 5 + [True]


def test_an_ended_training_stays_ended_until_it_is_extended() -> None:
    first = EarlyStopping(2, clock())
    assert ended(first, 0.5, 0.4, 0.3)[-1]
    state = first.state_dict()
    for epochs, stops in ((9, True), (12, False)):
        resumed, own = EarlyStopping(2, clock(epochs)), trainer()
        resumed.load_state_dict(state)
        resumed.on_train_start(own, None)  # type: ignore[arg-type]
        assert own.should_stop is stops
    # What was best is still to be beaten.
    assert ended(resumed, 0.45, 0.45) == [False, True]
