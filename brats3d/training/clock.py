"""How far the training is, in epochs or in time, and when it must stop."""

from __future__ import annotations

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer


class Clock(Callback):
    """Measures progress and ends the training when the time budget is spent.

    With a budget, progress is the share of time used or of epochs done, whichever is larger, so the
    learning-rate schedule always ends where the training ends. The last epoch is recognised
    before it starts, since it must validate; it starts only when it fits into the budget.

    Where several processes train together, the clock of the first one counts.

    Args:
        max_epochs: Number of epochs.
        max_minutes: Time budget in minutes, or None.
        started_at: ``time.monotonic()`` when the work began (the preparation of cases counts too).
    """

    def __init__(self, *, max_epochs: int, max_minutes: float | None, started_at: float) -> None:
        self.max_epochs = max_epochs
        self.budget_s = None if max_minutes is None else 60.0 * max_minutes
        self._earlier_s = 0.0
        self._started_at = started_at
        self._epoch_started_s = 0.0
        self._validation_started_s = 0.0
        self.epoch_s = 0.0
        self.validation_s = 0.0
        self._validated_at_epoch = -1
        self._in_last_epoch = False
        self._finished = False

    @property
    def elapsed_s(self) -> float:
        """Seconds of work so far, earlier sessions of a resumed run included."""
        return self._earlier_s + time.monotonic() - self._started_at

    def progress(self, trainer: Trainer) -> float:
        """Share of the training that is done, 0 to 1."""
        steps = max(1, int(trainer.num_training_batches)) * self.max_epochs
        done = min(1.0, trainer.fit_loop.epoch_loop.batch_progress.total.processed / steps)
        if self.budget_s is None:
            return done
        return min(1.0, max(done, self.elapsed_s / self._training_ends_s()))

    def shared_progress(self, trainer: Trainer) -> float:
        """Progress that is the same in all processes; all of them must ask."""
        progress = self.progress(trainer)
        return progress if self.budget_s is None else float(trainer.strategy.broadcast(progress))

    def remaining_s(self, trainer: Trainer) -> float | None:
        """Estimate of the seconds left, or None before there is one."""
        if self.budget_s is not None:
            left_s = max(0.0, self.budget_s - self.elapsed_s)
            if not self.epoch_s:
                return left_s
            return min(left_s, (self.max_epochs - trainer.current_epoch) * self.epoch_s)
        if not self.epoch_s:
            return None
        return (self.max_epochs - trainer.current_epoch) * self.epoch_s

    def _is_last_epoch(self, trainer: Trainer) -> bool:
        if trainer.current_epoch + 1 >= self.max_epochs:
            return True
        if self.budget_s is None:
            return False
        return self.elapsed_s + 2 * self.epoch_s > self._training_ends_s()

    def _training_ends_s(self) -> float:
        """When the last epoch must be over so that its validation still fits."""
        assert self.budget_s is not None
        return max(1.0, self.budget_s - self.validation_s)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End at once when the checkpoint is that of a training that had ended.

        Lightning does not start an epoch again that it resumes in the middle. Processes that are started
        later find the configuration of an extended run extended, and would do so again.
        """
        self.max_epochs = trainer.strategy.broadcast(self.max_epochs)
        self._epoch_started_s += self.elapsed_s
        if self._in_last_epoch:
            trainer.check_val_every_n_epoch = 1
        if self._finished:
            trainer.should_stop = True

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the time and make the last epoch validate."""
        self._epoch_started_s = self.elapsed_s
        self._in_last_epoch = bool(trainer.strategy.broadcast(self._is_last_epoch(trainer)))
        if self._in_last_epoch:
            trainer.check_val_every_n_epoch = 1

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the time."""
        self._validation_started_s = self.elapsed_s

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the validation."""
        self.validation_s = self.elapsed_s - self._validation_started_s
        self._validated_at_epoch = trainer.current_epoch

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the epoch (without its validation) and stop after the last one."""
        spent_s = self.elapsed_s - self._epoch_started_s
        if self._validated_at_epoch == trainer.current_epoch:
            spent_s -= self.validation_s
        # The first epoch warms caches up; later ones are a better guide.
        self.epoch_s = spent_s if trainer.current_epoch < 2 else (self.epoch_s + spent_s) / 2
        overrun = self.budget_s is not None and self.elapsed_s > self.budget_s
        if trainer.strategy.broadcast(self._in_last_epoch or overrun):
            trainer.should_stop = self._finished = True

    def state_dict(self) -> dict[str, Any]:
        """Elapsed time, kept in checkpoints."""
        return {
            "elapsed_s": self.elapsed_s,
            "epoch_s": self.epoch_s,
            "validation_s": self.validation_s,
            "finished": self._finished,
            "in_last_epoch": self._in_last_epoch,
            "ends": self.ends(),
            "epoch_elapsed_s": self.elapsed_s - self._epoch_started_s,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self._earlier_s = float(state_dict["elapsed_s"])
        self.epoch_s = float(state_dict["epoch_s"])
        self.validation_s = float(state_dict["validation_s"])
        # A training that was given more epochs or time since then is not at its end any more.
        same_end = state_dict.get("ends", self.ends()) == self.ends()
        self._finished = bool(state_dict["finished"]) and same_end
        self._in_last_epoch = bool(state_dict.get("in_last_epoch", False)) and same_end
        self._epoch_started_s = -float(state_dict.get("epoch_elapsed_s", 0.0))

    def ends(self) -> list[float | None]:
        """When the training ends: epochs, and seconds if there is a budget."""
        return [float(self.max_epochs), self.budget_s]
