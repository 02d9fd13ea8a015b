"""Going back to the best weights, and on from there more slowly, whenever a validation is worse."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

if TYPE_CHECKING:
    from brats3d.training.module import SegmentationModule

logger = logging.getLogger(__name__)
MONITORED = "val/loss"


class Dwell(Callback):
    """Keeps the weights of the lowest validation loss; where it rises, returns to them and lowers the rate.

    Known as the "dwell" option of learning-rate callbacks. What the optimiser remembers stays as it is.

    Args:
        factor: By which the rate is multiplied, above 0 and below 1.
    """

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self._best = math.inf
        self._weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the weights, or go back."""
        found = trainer.callback_metrics.get(MONITORED)
        if trainer.sanity_checking or found is None:
            return
        module, loss = _trained(pl_module), float(found)
        if loss < self._best:
            self._best = loss
            self._weights = {
                name: value.detach().clone() for name, value in module.network.state_dict().items()
            }
            return
        module.network.load_state_dict(self._weights)
        module.lower_rate(self.factor)
        if trainer.is_global_zero:
            logger.info(
                "validation loss %.4f after %.4f: back to the weights of before, learning rate times %g",
                loss,
                self._best,
                self.factor,
            )

    def state_dict(self) -> dict[str, Any]:
        """Best loss, and its weights."""
        return {"best": self._best, "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self._best, self._weights = state_dict["best"], state_dict["weights"]


def _trained(module: LightningModule) -> SegmentationModule:
    return module
