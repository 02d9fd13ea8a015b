"""Progress of the training of a classifier: the same bar and lines, with its scores."""

from __future__ import annotations

import logging
from typing import Any

from pytorch_lightning import LightningModule, Trainer

from brats3d.training.progress import TrainingProgress

logger = logging.getLogger(__name__)
_SHOWN = {"auc": "AUC", "accuracy": "accuracy", "sensitivity": "sensitivity", "specificity": "specificity"}


class ClassificationProgress(TrainingProgress):
    """Shows epoch, loss, accuracy, images per second and the time left."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._accuracy = float("nan")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what the validation gave."""
        self._batch_started_at = 0.0
        found = trainer.callback_metrics
        if trainer.sanity_checking or not trainer.is_global_zero or "val/accuracy" not in found:
            return
        self._accuracy = float(found["val/accuracy"])
        scores = ", ".join(f"{text} {float(found[f'val/{name}']):.3f}" for name, text in _SHOWN.items())
        line = f"epoch {trainer.current_epoch + 1}: {self._text()}; validation: {scores}"
        if self._progress is not None:
            self._progress.console.print(line, highlight=False)
        else:
            logger.info(line)

    def _text(self) -> str:
        rate = self.samples_per_second()
        return f"loss {self._loss:.3f}, accuracy {self._accuracy:.3f}, {rate:.2f} images/s"
