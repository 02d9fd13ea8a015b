"""The training clock: progress in epochs or time, and the last epoch recognised before it starts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from brats3d.training import clock as clock_module
from brats3d.training.clock import Clock

BATCHES = 5


class Time:
    """A time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    fake = Time()
    monkeypatch.setattr(clock_module.time, "monotonic", fake.monotonic)
    return fake


def make_trainer(every: int = 3) -> SimpleNamespace:
    batches = SimpleNamespace(total=SimpleNamespace(processed=0))
    return SimpleNamespace(
        num_training_batches=BATCHES,
        fit_loop=SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=batches)),
        current_epoch=0,
        should_stop=False,
        strategy=SimpleNamespace(broadcast=lambda value: value),
        check_val_every_n_epoch=every,
    )


def run(
    clock: Clock,
    time: Time,
    trainer: SimpleNamespace,
    *,
    epoch_s: float,
    validation_s: float = 0.0,
    most: int = 1000,
) -> dict[str, list]:
    """Go through the epochs as Lightning does."""
    seen: dict[str, list] = {"progress": [], "validated": []}
    for _ in range(most):
        clock.on_train_epoch_start(trainer, None)
        for _ in range(BATCHES):
            trainer.fit_loop.epoch_loop.batch_progress.total.processed += 1
            seen["progress"].append(clock.progress(trainer))
            time.now += epoch_s / BATCHES
        validates = (trainer.current_epoch + 1) % trainer.check_val_every_n_epoch == 0
        if validates:
            clock.on_validation_start(trainer, None)
            time.now += validation_s
            clock.on_validation_end(trainer, None)
        seen["validated"].append(validates)
        clock.on_train_epoch_end(trainer, None)
        if trainer.should_stop:
            break
        trainer.current_epoch += 1
    return seen


def test_without_a_budget_progress_counts_batches(time: Time) -> None:
    clock = Clock(max_epochs=4, max_minutes=None, started_at=time.now)
    trainer = make_trainer()
    assert clock.progress(trainer) == 0.0
    seen = run(clock, time, trainer, epoch_s=100.0)
    assert seen["progress"] == pytest.approx([(k + 1) / 20 for k in range(20)])
    # Every third, and the last.
    assert seen["validated"] == [False, False, True, True]
    assert trainer.should_stop


def test_without_a_budget_the_time_left_is_that_of_the_epochs_left(time: Time) -> None:
    clock = Clock(max_epochs=10, max_minutes=None, started_at=time.now)
    trainer = make_trainer()
    assert clock.remaining_s(trainer) is None
    run(clock, time, trainer, epoch_s=20.0, validation_s=7.0, most=4)
    assert trainer.current_epoch == 4
    assert clock.remaining_s(trainer) == pytest.approx(6 * 20.0)
    assert clock.validation_s == pytest.approx(7.0)


def test_a_budget_ends_the_training_in_time_with_a_validation(time: Time) -> None:
    clock = Clock(max_epochs=1000, max_minutes=10.0, started_at=time.now - 60.0)
    trainer = make_trainer(every=4)
    seen = run(clock, time, trainer, epoch_s=25.0, validation_s=30.0)
    # What is left would not hold another epoch and its validation; the last one validated.
    assert 600.0 - 25.0 - 30.0 < clock.elapsed_s <= 600.0
    assert seen["validated"][-1]
    assert seen["progress"] == sorted(seen["progress"])
    assert seen["progress"][0] == pytest.approx(60.0 / 600.0)
    assert 0.9 < seen["progress"][-1] <= 1.0


def test_with_a_large_budget_the_epochs_decide(time: Time) -> None:
    clock = Clock(max_epochs=4, max_minutes=1e6, started_at=time.now)
    seen = run(clock, time, make_trainer(), epoch_s=10.0)
    assert seen["progress"] == pytest.approx([(k + 1) / 20 for k in range(20)])
    assert seen["validated"] == [False, False, True, True]


def test_a_budget_shorter_than_one_epoch_trains_one(time: Time) -> None:
    clock = Clock(max_epochs=100, max_minutes=1.0, started_at=time.now)
    trainer = make_trainer()
    seen = run(clock, time, trainer, epoch_s=200.0)
    assert len(seen["validated"]) == 1
    assert max(seen["progress"]) == 1.0


def test_a_budget_that_the_preparation_used_up_trains_one_epoch_and_validates(time: Time) -> None:
    clock = Clock(max_epochs=100, max_minutes=1.0, started_at=time.now - 120.0)
    seen = run(clock, time, make_trainer(), epoch_s=5.0)
    assert seen["validated"] == [True]


def test_with_a_budget_the_time_left_is_at_most_that_of_the_budget(time: Time) -> None:
    clock = Clock(max_epochs=100, max_minutes=2.0, started_at=time.now)
    trainer = make_trainer()
    assert clock.remaining_s(trainer) == 120.0
    run(clock, time, trainer, epoch_s=10.0, most=3)
    assert clock.remaining_s(trainer) == pytest.approx(90.0)
    trainer.current_epoch = 98
    assert clock.remaining_s(trainer) == pytest.approx(20.0)


def test_a_resumed_clock_continues(time: Time) -> None:
    first = Clock(max_epochs=100, max_minutes=10.0, started_at=time.now)
    trainer = make_trainer()
    run(first, time, trainer, epoch_s=20.0, validation_s=3.0, most=6)
    state = first.state_dict()
    elapsed_s = first.elapsed_s
    time.now += 5000.0  # the machine was off
    second = Clock(max_epochs=100, max_minutes=10.0, started_at=time.now)
    second.load_state_dict(state)
    second.on_train_start(trainer, None)
    assert not trainer.should_stop
    assert second.elapsed_s == pytest.approx(elapsed_s)
    assert second.progress(trainer) == pytest.approx(elapsed_s / (600.0 - 3.0))
    time.now += 30.0
    assert second.elapsed_s == pytest.approx(elapsed_s + 30.0)


def test_a_training_that_had_ended_does_not_go_on(time: Time) -> None:
    first = Clock(max_epochs=100, max_minutes=1.0, started_at=time.now)
    run(first, time, make_trainer(), epoch_s=10.0)
    second = Clock(max_epochs=100, max_minutes=1.0, started_at=time.now)
    second.load_state_dict(first.state_dict())
    trainer = make_trainer()
    second.on_train_start(trainer, None)
    assert trainer.should_stop
