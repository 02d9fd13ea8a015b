"""The LightningModule: one training step, validation on whole volumes, optimiser and schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from brats3d.data.store import StoredCase
from brats3d.inference.segmenter import Segmenter
from brats3d.models.heads import Head
from brats3d.training.clock import Clock
from brats3d.training.processes import mean_over_processes, of_all_processes
from brats3d.training.scores import batch_scores, case_scores, mean_scores
from brats3d.training.sharding import gather, release, shard
from brats3d.training.trained_network import Optimisation, TrainedNetwork, TrainingDivergedError

__all__ = ["Optimisation", "SegmentationModule", "TrainingDivergedError"]

_EPOCH_MEANS = {"loss": "loss_epoch", "dice": "dice", "accuracy": "accuracy"}
"""Means over the steps of an epoch, by the name they are logged with."""


class SegmentationModule(TrainedNetwork):
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
        super().__init__(
            network,
            optimisation=optimisation,
            clock=clock,
            epoch_means=_EPOCH_MEANS,
            compile_mode=compile_mode,
        )
        self.head = head
        self.loss = loss
        self.segmenter = segmenter
        self.regions_of = regions_of
        self.region_names = tuple(region_names)
        self.class_table = class_table
        self.validation_samples = validation_samples
        self._case_scores: dict[str, dict[str, list[float]]] = {}

    def configure_model(self) -> None:
        """Share out the weights if the strategy does that."""
        if self.device_mesh is not None:
            shard(self.network, self.device_mesh)

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
