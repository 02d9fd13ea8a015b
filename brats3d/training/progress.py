"""Progress of a training: a bar on a terminal, one line per validation elsewhere."""

from __future__ import annotations

import logging
import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from brats3d.training.clock import Clock

logger = logging.getLogger(__name__)
_REFRESH_S = 0.5
_QUIET_S = 60.0
"""After how long without a line the end of an epoch is told."""


class TrainingProgress(Callback):
    """Shows epoch, loss, validation Dice, patches per second and the time left.

    The loss is read from the device at most twice a second, so that showing it does not hold the
    training up.

    Args:
        clock: Tells the time that is left.
        batch_size: Samples per batch and process, for the rate.
        bar: Whether to draw a bar when the output is a terminal.
    """

    def __init__(self, clock: Clock, *, batch_size: int, bar: bool) -> None:
        self.clock = clock
        self.batch_size = batch_size
        self.bar = bar
        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._shown_at = 0.0
        self._told_at = time.monotonic()
        self._loss = float("nan")
        self._dice = float("nan")
        self._under_way = False
        self._samples = 0
        self._training_s = 0.0
        self._batch_started_at = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the bar."""
        if not (self.bar and self._console.is_terminal and trainer.is_global_zero):
            return
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
            console=self._console,
            refresh_per_second=4,
        )
        self._task = self._progress.add_task("", total=1.0, epoch="", text="")
        self._progress.start()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the stopwatch."""
        self._batch_started_at = self._batch_started_at or time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count, and refresh the bar now and then."""
        now = time.monotonic()
        if self._under_way:
            self._samples += self.batch_size * trainer.world_size
            self._training_s += now - self._batch_started_at
        elif trainer.is_global_zero:
            logger.info("first step after %.1f s", self.clock.elapsed_s)
        self._under_way = True
        self._batch_started_at = now
        if now - self._shown_at >= _REFRESH_S:
            self._shown_at = now
            self._loss = float(outputs["loss"])
            self._show(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validation that follows does not count as training time."""
        self._batch_started_at = 0.0
        loss = trainer.callback_metrics.get("train/loss_epoch")
        if loss is not None:
            self._loss = float(loss)
        self._show(trainer)
        if self._progress is None and trainer.is_global_zero and time.monotonic() - self._told_at > _QUIET_S:
            self._tell(f"epoch {trainer.current_epoch + 1}: loss {self._loss:.3f}, {self._rate()}")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what the validation gave (at the end of its epoch the metrics are still the last ones)."""
        self._batch_started_at = 0.0
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        dice = trainer.callback_metrics.get("val/dice")
        if dice is None:
            return
        self._dice = float(dice)
        regions = " ".join(
            f"{name.removeprefix('val/dice_')} {float(value):.3f}"
            for name, value in sorted(trainer.callback_metrics.items())
            if name.startswith("val/dice_")
        )
        self._tell(f"epoch {trainer.current_epoch + 1}: {self._text()}, validation Dice {regions}")

    def _tell(self, line: str) -> None:
        self._told_at = time.monotonic()
        if self._progress is not None:
            self._progress.console.print(line, highlight=False)
        else:
            logger.info(line)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the bar down."""
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the bar down."""
        self._stop()

    def samples_per_second(self) -> float:
        """Training samples per second over all processes, first step and validations not counted."""
        return self._samples / self._training_s if self._training_s else 0.0

    def _text(self) -> str:
        return f"loss {self._loss:.3f}, Dice {self._dice:.3f}, {self._rate()}"

    def _rate(self) -> str:
        return f"{self.samples_per_second():.2f} patches/s"

    def _show(self, trainer: Trainer) -> None:
        if self._progress is None or self._task is None:
            return
        left_s = self.clock.remaining_s(trainer)
        left = "?" if left_s is None else f"{int(left_s) // 60}:{int(left_s) % 60:02d}"
        self._progress.update(
            self._task,
            completed=self.clock.progress(trainer),
            epoch=f"{trainer.current_epoch + 1}",
            text=f"{self._text()}, {left} left",
        )

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
