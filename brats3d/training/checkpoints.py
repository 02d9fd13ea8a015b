"""Checkpoints: written atomically, best and last, with everything a resumed run needs."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint

from brats3d.errors import RunError
from brats3d.files import atomic_path


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a temporary name, syncs and renames; reads tensors and plain values only."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``; a crash leaves the file that was there before.

        Raises:
            OutputError: Disk full or folder not writable.
        """
        content = io.BytesIO()
        # In memory first: torch reports a full disk as a RuntimeError without a reason.
        torch.save(checkpoint, content)
        with atomic_path(path) as temporary:
            temporary.write_bytes(content.getbuffer())

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: Any = None
    ) -> dict[str, Any]:
        """Read a checkpoint.

        Raises:
            RunError: The file is missing or torn.
        """
        return read_checkpoint(Path(path), map_location=map_location)


def read_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint without running any code it may hold (``weights_only``).

    Raises:
        RunError: The file is missing, torn, or holds more than tensors and plain values.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunError(
            "checkpoint not found", where=path, remedy="train first, or name a finished run"
        ) from error
    try:
        checkpoint = torch.load(io.BytesIO(content), map_location=map_location, weights_only=True)
    except Exception as error:  # torch raises many types for a torn or foreign file
        raise RunError(
            "cannot read the checkpoint",
            where=path,
            got=type(error).__name__,
            expected="a checkpoint written by brats3d",
            remedy="use the other checkpoint of the run (best or last), or train again",
        ) from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise RunError("not a checkpoint of a run", where=path, expected="a file written by brats3d.fit")
    return checkpoint


class BestAndLast(Checkpoint):
    """Keeps ``best.ckpt`` (highest validation Dice) and ``last.ckpt``.

    Both are written at the end of an epoch, where a resumed run continues exactly: ``last`` after
    every validation, after the final epoch, and otherwise at most every ``minutes``.

    Args:
        folder: Where the checkpoints go.
        minutes: Smallest time between two writes of ``last`` that no validation asked for.
        monitor: Logged metric that must rise.
    """

    def __init__(self, folder: Path, *, minutes: float, monitor: str = "val/dice") -> None:
        self.folder = folder
        self.minutes = minutes
        self.monitor = monitor
        self.best_score: float | None = None
        self.best_epoch: int | None = None
        self._validated = False
        self._written_at = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember that this epoch has a new score."""
        self._validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what is due."""
        due = self._validated or trainer.should_stop
        due = due or time.monotonic() - self._written_at >= 60.0 * self.minutes
        # Saving is a joint act of all processes, whose clocks may differ.
        due = trainer.strategy.broadcast(due)
        score = trainer.callback_metrics.get(self.monitor) if self._validated else None
        if score is not None and (self.best_score is None or float(score) > self.best_score):
            self.best_score, self.best_epoch = float(score), trainer.current_epoch
            trainer.save_checkpoint(self.folder / "best.ckpt")
        if due:
            trainer.save_checkpoint(self.folder / "last.ckpt")
            self._written_at = time.monotonic()
        self._validated = False

    def state_dict(self) -> dict[str, Any]:
        """Best score so far."""
        return {"best_score": self.best_score, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.best_score = state_dict["best_score"]
        self.best_epoch = state_dict["best_epoch"]
