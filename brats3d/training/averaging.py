"""Exponential moving average of the weights, which is what gets validated and kept."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor


class MovingAverage(WeightAveraging):
    """Average with a decay that starts low, so that short trainings are not held back.

    The decay at step n is min(decay, (1 + n) / (10 + n)), the warm-up that TensorFlow's
    ExponentialMovingAverage describes. Buffers (batch-norm statistics) are taken over as they are.

    Args:
        decay: Final decay, 0 to 1.
    """

    def __init__(self, decay: float) -> None:
        def update(averaged: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
            assert self._average_model is not None
            steps = int(self._average_model.n_averaged)
            weight = 1.0 - min(decay, (1 + steps) / (10 + steps))
            torch._foreach_lerp_(averaged, current, weight)

        super().__init__(use_buffers=False, multi_avg_fn=_no_grad(update))

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Keep the average where the training computes, to which the module itself has yet to move.

        Steps are counted in main memory: to read a number from a GPU is to wait for it.
        """
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)
        if self._average_model is not None:
            self._average_model.n_averaged = self._average_model.n_averaged.cpu()


def _no_grad(function: Any) -> Any:
    return torch.no_grad()(function)
