"""An end to trainings that do not get better any more."""

from __future__ import annotations

import logging
import math
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from brats3d.training.clock import Clock

logger = logging.getLogger(__name__)
_NAMES = {"val/dice": "Dice", "val/auc": "AUC", "val/balanced_accuracy": "balanced accuracy"}


class EarlyStopping(Callback):
    """Ends a training after some validations in a row without a better Dice.

    Unlike Lightning's, a training that ended so stays ended when it is resumed, and goes on when it is
    extended.

    Args:
        patience: Validations without a better score after which the training ends.
        clock: Tells when the training ends otherwise.
        monitor: Logged metric that must rise.
    """

    def __init__(self, patience: int, clock: Clock, monitor: str = "val/dice") -> None:
        self.patience = patience
        self.clock = clock
        self.monitor = monitor
        self._best = -math.inf
        self._waited = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End at once when the checkpoint is that of a training that had ended."""
        self._end(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count; the score is the same on all processes."""
        found = trainer.callback_metrics.get(self.monitor)
        if trainer.sanity_checking or found is None:
            return
        self._waited = 0 if float(found) > self._best else self._waited + 1
        self._best = max(self._best, float(found))
        if self._waited >= self.patience and trainer.is_global_zero:
            logger.info(
                "no better %s than %.3f in %d validations: training ends",
                _NAMES[self.monitor],
                self._best,
                self._waited,
            )
        self._end(trainer)

    def _end(self, trainer: Trainer) -> None:
        if self._waited >= self.patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Best score, and validations since then."""
        return {"best": self._best, "waited": self._waited, "ends": self.clock.ends()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self._best = state_dict["best"]
        self._waited = state_dict["waited"] if state_dict["ends"] == self.clock.ends() else 0
