"""The LightningModule: one training step, validation on whole volumes, optimiser and schedule."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics.aggregation import MeanMetric

from brats3d.data.store import StoredCase
from brats3d.errors import Brats3dError
from brats3d.inference.segmenter import Segmenter
from brats3d.metrics import evaluate_case
from brats3d.models.heads import Head
from brats3d.training.clock import Clock
from brats3d.training.compilation import Forward, compiled_forward
from brats3d.training.optimisers import build_optimiser, rate_factor, scaled_rate
from brats3d.training.processes import mean_over_processes, of_all_processes
from brats3d.training.sharding import gather, release, shard

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


class SegmentationModule(pl.LightningModule):
    """Trains a network on patches and scores it on whole prepared volumes.

    Args:
        network: ``(B, C, *S) -> (B, out, *S)`` logits; a list with deep supervision while training.
        head: Meaning of the logits.
        loss: ``loss(logits, target)``; handles a list when the network gives one.
        optimisation: Optimiser and schedule.
        segmenter: Whole-volume inference with this very network.
        regions_of: Probabilities ``(R, *S)`` to region masks, bool ``(R, *S)``.
        region_names: Names of the regions in channel order.
        class_table: Region membership of each class, bool ``(K, R)``.
        clock: Tells how far the training is.
        compile_mode: Mode of ``torch.compile`` for training steps; None: the network as it is.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        head: Head,
        loss: nn.Module,
        optimisation: Optimisation,
        segmenter: Segmenter,
        regions_of: Callable[[NDArray[np.float32]], NDArray[np.bool_]],
        region_names: Sequence[str],
        class_table: NDArray[np.bool_],
        clock: Clock,
        compile_mode: str | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.head = head
        self.loss = loss
        self.optimisation = optimisation
        self.segmenter = segmenter
        self.regions_of = regions_of
        self.region_names = tuple(region_names)
        self.class_table = class_table
        self.clock = clock
        self.compile_mode = compile_mode
        # Of the whole epoch, as Lightning forgets what was logged before a checkpoint in its middle. Values
        # are the same on all processes; a look for NaN would hold the GPU up at every step.
        self.epoch_loss = MeanMetric(nan_strategy="disable", sync_on_compute=False)
        self._lr = optimisation.lr
        self._training_forward: Forward | None = None
        self._case_dice: dict[str, list[float]] = {}
        self._plateau_scale = 1.0
        self._best_dice = -1.0
        self._validations_since_best = 0

    def configure_model(self) -> None:
        """Share out the weights if the strategy does that."""
        if self.device_mesh is not None:
            shard(self.network, self.device_mesh)

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
            group["lr"] = self._lr * factor * self._plateau_scale

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Loss of one batch: image float32 ``(B, C, *S)``, classes uint8 ``(B, 1, *S)``."""
        logits = (self._training_forward or self.network)(batch["image"])
        loss: Tensor = self.loss(logits, self.head.target(batch["classes"]))
        shared = mean_over_processes(loss)  # what a process of its own would have with all their batches
        self.epoch_loss.update(shared.float())
        self.log("train/loss_step", shared, on_step=True, on_epoch=False)
        self.log("train/loss_epoch", self.epoch_loss, on_step=False, on_epoch=True)
        return loss

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

    def on_validation_epoch_start(self) -> None:
        """Forget the cases of the last validation; each process needs all weights for its cases."""
        gather(self.network)
        self._case_dice = {}

    def validation_step(self, batch: StoredCase | None, batch_idx: int) -> None:
        """Segment one whole prepared case, if there is one, and keep its Dice per region."""
        if batch is None:
            return
        image = torch.from_numpy(np.asarray(batch.image(), dtype=np.float32))
        probabilities = self.segmenter.segment(image)
        prediction = self.regions_of(probabilities.numpy())
        reference = np.moveaxis(self.class_table[batch.classes()], -1, 0)
        scores = evaluate_case(
            prediction,
            reference,
            spacing_mm=(1.0,) * image[0].ndim,  # Dice needs none
            regions=self.region_names,
            case_id=batch.case_id,
            only=("dice",),
        )
        self._case_dice[batch.case_id] = [row["dice"] for row in scores.rows]

    def on_validation_epoch_end(self) -> None:
        """Log the mean Dice of each region and their mean, over all cases of all processes."""
        release(self.network)
        parts = of_all_processes(self._case_dice)
        case_dice = {case_id: dice for part in parts for case_id, dice in part.items()}
        if not case_dice:
            return
        means = np.mean([case_dice[case_id] for case_id in sorted(case_dice)], axis=0)
        for name, value in zip(self.region_names, means.tolist(), strict=True):
            self.log(f"val/dice_{name}", value)
        dice = float(means.mean())
        self.log("val/dice", dice)
        if not self.trainer.sanity_checking:
            self._lower_rate_on_plateau(dice)

    def _lower_rate_on_plateau(self, dice: float) -> None:
        if dice > self._best_dice:
            self._best_dice, self._validations_since_best = dice, 0
            return
        self._validations_since_best += 1
        if (
            self.optimisation.schedule == "plateau"
            and self._validations_since_best >= self.optimisation.plateau_patience
        ):
            self._plateau_scale *= self.optimisation.plateau_factor
            self._validations_since_best = 0

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the state of the plateau schedule, and the loss of the epoch so far."""
        checkpoint["epoch_loss"] = {"sum": self.epoch_loss.mean_value, "steps": self.epoch_loss.weight}
        checkpoint["plateau"] = {
            "scale": self._plateau_scale,
            "best_dice": self._best_dice,
            "validations_since_best": self._validations_since_best,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore what :meth:`on_save_checkpoint` kept."""
        if (loss := checkpoint.get("epoch_loss")) is not None:  # older versions did not keep it
            self.epoch_loss.mean_value = loss["sum"].to(self.device)
            self.epoch_loss.weight = loss["steps"].to(self.device)
        state = checkpoint["plateau"]
        self._plateau_scale = state["scale"]
        self._best_dice = state["best_dice"]
        self._validations_since_best = state["validations_since_best"]
