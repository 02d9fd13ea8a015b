"""Memory of one step that the next one uses again."""

from __future__ import annotations

import contextlib

from pytorch_lightning import Callback, LightningModule, Trainer

from brats3d.host_memory import freed_memory_kept


class KeptMemory(Callback):
    """Keeps freed main memory while a training computes on the CPU."""

    def __init__(self) -> None:
        self._kept = contextlib.ExitStack()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin, if the CPU computes."""
        if trainer.strategy.root_device.type == "cpu":
            self._kept.enter_context(freed_memory_kept())

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give back what is not in use."""
        self._kept.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give back what is not in use."""
        self._kept.close()
