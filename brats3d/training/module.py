"""The LightningModule: one training step, validation on whole volumes, optimiser and schedule."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics.aggregation import MeanMetric

from brats3d.data.store import StoredCase
from brats3d.errors import Brats3dError
from brats3d.inference.segmenter import Segmenter
from brats3d.models.heads import Head
from brats3d.training.clock import Clock
from brats3d.training.compilation import Forward, compiled_forward
from brats3d.training.optimisers import build_optimiser, rate_factor, scaled_rate
from brats3d.training.processes import mean_over_processes, of_all_processes
from brats3d.training.scores import batch_scores, case_scores, mean_scores
from brats3d.training.sharding import gather, release, shard

logger = logging.getLogger(__name__)

_EPOCH_MEANS = {"loss": "loss_epoch", "dice": "dice", "accuracy": "accuracy"}
"""Means over the steps of an epoch, by the name they are logged with."""


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
        validation_samples: Unchanged samples of a prepared case, as batches of training have them, whose
            mean loss is the loss of the validation; None: there is none.
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
        validation_samples: Callable[[StoredCase], dict[str, Tensor]] | None = None,
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
        self.validation_samples = validation_samples
        # Of the whole epoch, as Lightning forgets what was logged before a checkpoint in its middle. Values
        # are the same on all processes; a look for NaN would hold the GPU up at every step.
        self.epoch_means = nn.ModuleDict(
            {name: MeanMetric(nan_strategy="disable", sync_on_compute=False) for name in _EPOCH_MEANS}
        )
        self._lr = optimisation.lr
        self._training_forward: Forward | None = None
        self._case_scores: dict[str, dict[str, list[float]]] = {}
        self._rate_scale = 1.0
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
            group["lr"] = self._lr * factor * self._rate_scale

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Loss of one batch: image float32 ``(B, C, *S)``, classes uint8 ``(B, 1, *S)``."""
        logits = (self._training_forward or self.network)(batch["image"])
        loss: Tensor = self.loss(logits, self.head.target(batch["classes"]))
        shared = mean_over_processes(loss)  # what a process of its own would have with all their batches
        self.log("train/loss_step", shared, on_step=True, on_epoch=False)
        self._log_means({"loss": shared.float()})
        if batch_idx % self.trainer.log_every_n_steps == 0:
            finest = logits if isinstance(logits, Tensor) else logits[0]
            dice, accuracy = mean_over_processes(batch_scores(finest, batch["classes"], self.head))
            self._log_means({"dice": dice, "accuracy": accuracy})
        return loss

    def _log_means(self, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            mean = cast("MeanMetric", self.epoch_means[name])
            mean.update(value)
            self.log(f"train/{_EPOCH_MEANS[name]}", mean, on_step=False, on_epoch=True)

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
        self._case_scores = {}

    def validation_step(self, batch: StoredCase | None, batch_idx: int) -> None:
        """Segment one whole prepared case, if there is one, and keep its scores."""
        if batch is None:
            return
        image = torch.from_numpy(np.asarray(batch.image(), dtype=np.float32))
        prediction = self.regions_of(self.segmenter.segment(image).numpy())
        reference = np.moveaxis(self.class_table[batch.classes()], -1, 0)
        scores = case_scores(prediction, reference, self.region_names, batch.case_id)
        if self.validation_samples is not None:
            scores["loss"] = [self._loss_of(self.validation_samples(batch))]
        self._case_scores[batch.case_id] = scores

    def _loss_of(self, samples: dict[str, Tensor]) -> float:
        """Loss of some samples, that of this process alone."""
        image, classes = (samples[name].to(self.device) for name in ("image", "classes"))
        return float(self.loss(self.network(image), self.head.target(classes)))

    def on_validation_epoch_end(self) -> None:
        """Log the means of all scores over the cases of all processes."""
        release(self.network)
        parts = of_all_processes(self._case_scores)
        means = mean_scores(
            {case_id: scores for part in parts for case_id, scores in part.items()}, self.region_names
        )
        for name, value in means.items():
            self.log(f"val/{name}", value)
        if means and not self.trainer.sanity_checking:
            self._lower_rate_on_plateau(means["dice"])

    def lower_rate(self, factor: float) -> None:
        """Multiply the learning rate of all steps to come."""
        self._rate_scale *= factor

    def _lower_rate_on_plateau(self, dice: float) -> None:
        if dice > self._best_dice:
            self._best_dice, self._validations_since_best = dice, 0
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
            "best_dice": self._best_dice,
            "validations_since_best": self._validations_since_best,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore what :meth:`on_save_checkpoint` kept."""
        for name, state in checkpoint.get("epoch_means", {}).items():  # older versions kept none
            for key, value in state.items():
                setattr(self.epoch_means[name], key, value.to(self.device))
        state = checkpoint["plateau"]
        self._rate_scale = state["scale"]
        self._best_dice = state["best_dice"]
        self._validations_since_best = state["validations_since_best"]


def _state(mean: nn.Module) -> dict[str, Any]:
    return {key: getattr(mean, key) for key in ("mean_value", "weight")}
