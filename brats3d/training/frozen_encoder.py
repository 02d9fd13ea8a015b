"""Keeps a frozen encoder in inference, so that statistics of batch norm stay as they are, too."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from brats3d.models.encoder_parts import encoder_parts


class FrozenEncoder(Callback):
    """Switches the encoder of a segmentation network to inference before each training step.

    Args:
        name: Name of the network.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Undo what a switch of the whole network to training did."""
        for part in encoder_parts(self.name, pl_module.network):
            part.eval()
