"""Checkpoints: written atomically, best and last, with everything a resumed run needs."""

from __future__ import annotations

import errno
import io
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint

from brats3d.errors import OutputError, RunError
from brats3d.files import atomic_path
from brats3d.training.interruption import Agreement, Interruption
from brats3d.training.seals import is_intact, is_sealed, sealed

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
_SAVE, _STOP = "save", "stop"
_FULL = (errno.ENOSPC, errno.EDQUOT)

logger = logging.getLogger(__name__)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a temporary name, syncs and renames; reads tensors and plain values only.

    The last checkpoint becomes the previous one when there is a newer one.

    Attributes:
        may_fail: Whether a full disk is only told when the checkpoint of before is there to stay.
    """

    def __init__(self) -> None:
        super().__init__()
        self.may_fail = False

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``; a crash leaves the file that was there before.

        Raises:
            OutputError: Disk full or folder not writable.
        """
        content = io.BytesIO()
        # In memory first: torch reports a full disk as a RuntimeError without a reason.
        torch.save(checkpoint, content)
        final = Path(path)
        try:
            self._write(sealed(content.getvalue()), final)
        except OutputError as error:
            full = isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL
            if not (full and self.may_fail and final.exists()):
                raise
            logger.warning("no room for a checkpoint; the training goes on, %s stays as it was", final)

    @staticmethod
    def _write(content: bytes, final: Path) -> None:
        with atomic_path(final) as temporary:
            temporary.write_bytes(content)
            if final.name == LAST and final.exists():
                with atomic_path(final.with_name(PREVIOUS)) as link:
                    _link_or_copy(final, link)

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: Any = None
    ) -> dict[str, Any]:
        """Read a checkpoint.

        Raises:
            RunError: The file is missing or torn.
        """
        return read_checkpoint(Path(path), map_location=map_location)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # not every file system has links
        shutil.copyfile(source, target)


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
        if is_sealed(content) and not is_intact(content):
            raise ValueError("another checksum than when it was written")
        checkpoint = torch.load(io.BytesIO(content), map_location=map_location, weights_only=True)
    except Exception as error:  # torch raises many types for a torn or foreign file
        raise RunError(
            "cannot read the checkpoint",
            where=path,
            got=type(error).__name__,
            expected="a checkpoint written by brats3d",
            remedy="use another checkpoint of the run (best, last), or train again",
        ) from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise RunError("not a checkpoint of a run", where=path, expected="a file written by brats3d.fit")
    return checkpoint


class BestAndLast(Checkpoint):
    """Keeps ``best.ckpt`` (highest validation Dice) and ``last.ckpt``.

    ``last`` is written after every validation, after the final epoch, every ``minutes`` wherever the
    training then is, and when a signal ends it. A resumed run continues exactly from there. On a disk that
    is full meanwhile, a training that has checkpoints goes on with those; at its end that is an error.

    Args:
        folder: Where the checkpoints go.
        minutes: Time between two writes of ``last`` that nothing else asked for.
        interruption: Tells whether a signal has come.
        monitor: Logged metric that must rise.
    """

    def __init__(
        self,
        folder: Path,
        *,
        minutes: float,
        interruption: Interruption | None = None,
        monitor: str = "val/dice",
    ) -> None:
        self.folder = folder
        self.minutes = minutes
        self.interruption = interruption or Interruption()
        self._agreement = Agreement()
        self.monitor = monitor
        self.best_score: float | None = None
        self.best_epoch: int | None = None
        self._validated = False
        self._written_at = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember that this epoch has a new score."""
        self._validated = not trainer.sanity_checking

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the last state if it is due; end the training if a signal asked for that.

        Raises:
            Interrupted: The state is kept.
        """
        progress = trainer.fit_loop.epoch_loop
        if progress._should_accumulate() or progress._num_ready_batches_reached():
            return  # gradients are not kept; the end of the epoch sees to itself
        wanted = _STOP if self.interruption.asked else _SAVE if self._is_time() else None
        agreed = self._agreement.reached(trainer, wanted)
        if agreed is not None:
            self._write_last(trainer, must=agreed == _STOP)
        if agreed == _STOP:
            raise self.interruption.error(self.folder.parent)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what is due; end the training if a signal asked for that.

        Raises:
            Interrupted: The state is kept.
        """
        due = self._validated or trainer.should_stop
        # Saving is a joint act of all processes, whose clocks may differ.
        stop = self._any_process(trainer, self.interruption.asked is not None)
        due = trainer.strategy.broadcast(due or self._is_time()) or stop
        score = trainer.callback_metrics.get(self.monitor) if self._validated else None
        if score is not None and (self.best_score is None or float(score) > self.best_score):
            self.best_score, self.best_epoch = float(score), trainer.current_epoch
            self._write(trainer, "best.ckpt", must=False)
        if due:
            self._write_last(trainer, must=stop or trainer.should_stop)
        self._validated = False
        if stop and not trainer.should_stop:
            raise self.interruption.error(self.folder.parent)

    def _is_time(self) -> bool:
        return time.monotonic() - self._written_at >= 60.0 * self.minutes

    def _write_last(self, trainer: Trainer, *, must: bool) -> None:
        self._write(trainer, LAST, must=must)
        self._written_at = time.monotonic()

    def _write(self, trainer: Trainer, name: str, *, must: bool) -> None:
        """Write a checkpoint; unless it ``must`` be written, a full disk leaves that of before.

        Whether it was written only the first process knows: what all processes do does not depend on it.
        """
        writer = trainer.strategy.checkpoint_io
        if isinstance(writer, AtomicCheckpointIO):
            writer.may_fail = not must
        trainer.save_checkpoint(self.folder / name)

    @staticmethod
    def _any_process(trainer: Trainer, own: bool) -> bool:
        if trainer.world_size == 1:
            return own
        return bool(trainer.strategy.reduce_boolean_decision(own, all=False))

    def state_dict(self) -> dict[str, Any]:
        """Best score so far."""
        return {"best_score": self.best_score, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.best_score = state_dict["best_score"]
        self.best_epoch = state_dict["best_epoch"]
