"""What the training of any network has: optimiser, schedule, means of an epoch, state in checkpoints."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torchmetrics.aggregation import MeanMetric

from brats3d.data.store import StoredCase
from brats3d.errors import Brats3dError
from brats3d.training.clock import Clock
from brats3d.training.compilation import Forward, compiled_forward
from brats3d.training.optimisers import build_optimiser, rate_factor, scaled_rate

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Optimisation:
    """Optimiser and schedule.

    Attributes:
        name: adamw, adam or sgd.
        lr: Peak learning rate, before `lr_scaling`.
        weight_decay: Weight decay.
        momentum: Momentum of sgd.
        schedule: poly, cosine, one_cycle, plateau or constant.
        warmup: Share of the training with a rising rate.
        plateau_patience: Validations without a better Dice before `plateau` lowers the rate.
        plateau_factor: Factor by which it does.
        lr_scaling: none, linear or sqrt: how the rate grows with the batches of an optimiser step.
    """

    name: str
    lr: float
    weight_decay: float
    momentum: float
    schedule: str
    warmup: float
    plateau_patience: int
    plateau_factor: float
    lr_scaling: str = "none"


class TrainingDivergedError(Brats3dError):
    """The loss is no longer a number."""


class TrainedNetwork(pl.LightningModule):
    """A network with its optimiser and schedule; what its steps and validations do is left open.

    Args:
        network: The network.
        optimisation: Optimiser and schedule.
        clock: Tells how far the training is.
        epoch_means: Means over the steps of an epoch: name to the name they are logged with.
        compile_mode: Mode of ``torch.compile`` for training steps; None: the network as it is.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        optimisation: Optimisation,
        clock: Clock,
        epoch_means: Mapping[str, str],
        compile_mode: str | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.optimisation = optimisation
        self.clock = clock
        self.compile_mode = compile_mode
        # Of the whole epoch, as Lightning forgets what was logged before a checkpoint in its middle. Values
        # are the same on all processes; a look for NaN would hold the GPU up at every step.
        self.epoch_means = nn.ModuleDict(
            {name: MeanMetric(nan_strategy="disable", sync_on_compute=False) for name in epoch_means}
        )
        self._logged_as = dict(epoch_means)
        self._lr = optimisation.lr
        self._training_forward: Forward | None = None
        self._rate_scale = 1.0
        self._best_score = -1.0
        self._validations_since_best = 0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Build the optimiser; its rate is set before every step from the progress of the training."""
        chosen = self.optimisation
        batches = self.trainer.world_size * self.trainer.accumulate_grad_batches
        self._lr = scaled_rate(chosen.lr, chosen.lr_scaling, batches)
        if chosen.lr_scaling != "none" and self.trainer.is_global_zero:
            logger.info("learning rate %g (%s in %d batches per step)", self._lr, chosen.lr_scaling, batches)
        return build_optimiser(
            chosen.name,
            self.network.parameters(),
            lr=self._lr,
            weight_decay=chosen.weight_decay,
            momentum=chosen.momentum,
            # A fused optimiser unscales float16 gradients itself, after they should have been clipped;
            # not each can update parts of weights.
            fused=self.trainer.precision != "16-mixed" and self.device_mesh is None,
        )

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Limit the norm of the gradient; Lightning's own way rejects fused optimisers."""
        if gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), gradient_clip_val)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the learning rate; before the first step, compile the network."""
        if self._training_forward is None:
            self._training_forward = self._compiled(batch["image"])
        chosen = self.optimisation
        factor = rate_factor(chosen.schedule, self.clock.shared_progress(self.trainer), chosen.warmup)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self._lr * factor * self._rate_scale

    def _log_means(self, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            mean = cast("MeanMetric", self.epoch_means[name])
            mean.update(value)
            self.log(f"train/{self._logged_as[name]}", mean, on_step=False, on_epoch=True)

    def _compiled(self, example: Tensor) -> Forward:
        if self.compile_mode is None:
            return self.network.__call__
        return compiled_forward(
            self.network,
            example,
            mode=self.compile_mode,
            context=self.trainer.precision_plugin.forward_context,
        )

    def on_train_epoch_end(self) -> None:
        """Log the rate and stop a training that has diverged.

        Raises:
            TrainingDivergedError: The mean loss of the epoch is not finite.
        """
        self.log("train/lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        loss = self.trainer.callback_metrics.get("train/loss_epoch")
        if loss is not None and not torch.isfinite(loss):
            raise TrainingDivergedError(
                "the training has diverged",
                where=f"epoch {self.current_epoch}",
                got=f"loss {float(loss)}",
                expected="a finite loss",
                remedy="lower optim.lr, set trainer.gradient_clip_val, or use trainer.precision=32-true",
            )

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move training batches to the device; a stored case is read when it is segmented."""
        if batch is None or isinstance(batch, StoredCase):
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def lower_rate(self, factor: float) -> None:
        """Multiply the learning rate of all steps to come."""
        self._rate_scale *= factor

    def _lower_rate_on_plateau(self, score: float) -> None:
        if score > self._best_score:
            self._best_score, self._validations_since_best = score, 0
            return
        self._validations_since_best += 1
        if (
            self.optimisation.schedule == "plateau"
            and self._validations_since_best >= self.optimisation.plateau_patience
        ):
            self.lower_rate(self.optimisation.plateau_factor)
            self._validations_since_best = 0

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the state of the plateau schedule, and the means of the epoch so far."""
        checkpoint["epoch_means"] = {name: _state(mean) for name, mean in self.epoch_means.items()}
        checkpoint["plateau"] = {
            "scale": self._rate_scale,
            "best_dice": self._best_score,
            "validations_since_best": self._validations_since_best,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore what :meth:`on_save_checkpoint` kept."""
        for name, state in checkpoint.get("epoch_means", {}).items():  # older versions kept none
            for key, value in state.items():
                setattr(self.epoch_means[name], key, value.to(self.device))
        state = checkpoint["plateau"]
        self._rate_scale = state["scale"]
        self._best_score = state["best_dice"]
        self._validations_since_best = state["validations_since_best"]


def _state(mean: nn.Module) -> dict[str, Any]:
    return {key: getattr(mean, key) for key in ("mean_value", "weight")}
