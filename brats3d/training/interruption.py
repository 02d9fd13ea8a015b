"""Signals that ask a training to stop: it keeps its state first."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from brats3d.errors import Interrupted

# Schedulers send SIGTERM when a job is cancelled or preempted, and SIGUSR1 when it was asked to
# (`sbatch --signal=USR1@60`), some time before they end it.
_NAMES = ("SIGTERM", "SIGUSR1")


class Interruption(Callback):
    """Listens to signals while a training runs; the step that is under way is finished first.

    Attributes:
        asked: Name of the signal that came, or None.
    """

    def __init__(self) -> None:
        self.asked: str | None = None
        self._former: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen from now on; Lightning's own handlers would end the training without a checkpoint."""
        if threading.current_thread() is not threading.main_thread():
            return  # only there may signals be handled
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None:
                self._former[number] = signal.signal(number, self._ask)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen no more."""
        self._restore()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Listen no more."""
        self._restore()

    def error(self, run: object) -> Interrupted:
        """What to raise once the state is kept."""
        return Interrupted(
            f"the training was interrupted ({self.asked or 'by another process'}); its state is kept",
            where=run,
            remedy=f"continue with --resume {run}",
        )

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = signal.Signals(number).name

    def _restore(self) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}


def leave_interruptions_to_the_training() -> None:
    """Make a process that reads samples deaf to the signals, which schedulers send to all of a job."""
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)


class Agreement:
    """Lets processes that train together do something after the same step, whoever wants it.

    The one who wants it names the step after the one it has just done: each step is a joint act, so no
    process can have done that before the others have read of it.
    """

    def __init__(self) -> None:
        self._number = 0

    def reached(self, trainer: Trainer, wanted: str | None) -> str | None:
        """Whether this is the step; all processes must ask after every step.

        Args:
            trainer: Tells the step, and how many processes there are.
            wanted: What this process wishes, a word, or None.

        Returns:
            The word, for all processes alike, or None.
        """
        if trainer.world_size == 1:
            return wanted
        store = torch.distributed.distributed_c10d._get_default_store()
        key = f"brats3d/agreement/{self._number}"
        if wanted is not None:
            # The first one who wishes decides.
            store.compare_set(key, "", f"{trainer.global_step + 1} {wanted}")
        if not store.check([key]):
            return None
        step, word = store.get(key).decode().split(maxsplit=1)
        if trainer.global_step < int(step):
            return None
        self._number += 1
        return word
