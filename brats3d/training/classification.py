"""The LightningModule of classifiers: cross-entropy on images, validation on whole prepared cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from brats3d.data.store import StoredCase
from brats3d.inference.classifying import Classifier
from brats3d.metrics.classification import confusion_matrix, roc_auc
from brats3d.training.classification_labels import UNLABELLED, Labels
from brats3d.training.clock import Clock
from brats3d.training.processes import mean_over_processes, of_all_processes
from brats3d.training.trained_network import Optimisation, TrainedNetwork

EVEN = 0.5
"""Threshold of the scores that are logged while a network trains."""

_EPOCH_MEANS = {"loss": "loss_epoch", "accuracy": "accuracy"}
_SMALLEST = 1e-7


@dataclass(frozen=True)
class JudgedCase:
    """What a classifier says of the images of a case.

    Attributes:
        labels: 1 (tumour), 0 (none) or -1 (without label), int8 ``(n,)``.
        confidences: Float32 ``(n,)`` in [0, 1].
    """

    labels: Labels
    confidences: NDArray[np.float32]


class ClassificationModule(TrainedNetwork):
    """Trains a classifier and scores it on all images of the validation cases.

    Args:
        network: ``(B, C, *S) -> (B, 2)`` logits of no tumour and tumour.
        optimisation: Optimiser and schedule; `plateau` follows the monitored score.
        classifier: Judges whole prepared cases with this very network.
        labelling: Labels of the images of a prepared case.
        clock: Tells how far the training is.
        monitor: Score, auc or balanced_accuracy, that says which validation is better.
        compile_mode: Mode of ``torch.compile`` for training steps; None: the network as it is.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        optimisation: Optimisation,
        classifier: Classifier,
        labelling: Callable[[StoredCase], Labels],
        clock: Clock,
        monitor: str = "auc",
        compile_mode: str | None = None,
    ) -> None:
        super().__init__(
            network,
            optimisation=optimisation,
            clock=clock,
            epoch_means=_EPOCH_MEANS,
            compile_mode=compile_mode,
        )
        self.classifier = classifier
        self.labelling = labelling
        self.monitor = monitor
        self._judged: dict[str, JudgedCase] = {}

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Cross-entropy of one batch: image float32 ``(B, C, *S)``, label int64 ``(B,)``."""
        logits: Any = (self._training_forward or self.network)(batch["image"])
        loss = functional.cross_entropy(logits.float(), batch["label"])
        accuracy = (logits.detach().argmax(1) == batch["label"]).float().mean()
        shared = mean_over_processes(torch.stack([loss.detach(), accuracy]))
        self.log("train/loss_step", shared[0], on_step=True, on_epoch=False)
        self._log_means({"loss": shared[0], "accuracy": shared[1]})
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the cases of the last validation."""
        self._judged = {}

    def validation_step(self, batch: StoredCase | None, batch_idx: int) -> None:
        """Judge all images of a prepared case, if there is one."""
        if batch is not None:
            self._judged[batch.case_id] = self.judge(batch)

    def judge(self, case: StoredCase) -> JudgedCase:
        """Judge all images of a prepared case."""
        image = torch.from_numpy(np.asarray(case.image(), dtype=np.float32))
        return JudgedCase(self.labelling(case), self.classifier.confidences(image).numpy())

    def on_validation_epoch_end(self) -> None:
        """Log the scores over the images of all processes."""
        parts = of_all_processes(self._judged)
        judged = {case_id: case for part in parts for case_id, case in part.items()}
        if not judged:
            return
        scores = scores_of(judged)
        for name, value in scores.items():
            self.log(f"val/{name}", value)
        if not self.trainer.sanity_checking:
            self._lower_rate_on_plateau(scores[self.monitor])


def labelled_images(judged: Mapping[str, JudgedCase]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Labels and confidences, each ``(n,)``, of all images that have a label, sorted by case."""
    cases = [judged[case_id] for case_id in sorted(judged)]
    labels = np.concatenate([case.labels for case in cases])
    confidences = np.concatenate([case.confidences for case in cases])
    return labels[labels != UNLABELLED] > 0, confidences[labels != UNLABELLED]


def scores_of(judged: Mapping[str, JudgedCase]) -> dict[str, float]:
    """Scores at even odds by name, and the mean cross-entropy as ``loss``."""
    labels, confidences = labelled_images(judged)
    counted = confusion_matrix(labels, confidences, EVEN)
    of_truth = np.clip(np.where(labels, confidences, 1 - confidences), _SMALLEST, None)
    return {
        "auc": roc_auc(labels, confidences),
        "accuracy": counted.accuracy,
        "balanced_accuracy": counted.balanced_accuracy,
        "sensitivity": counted.sensitivity,
        "specificity": counted.specificity,
        "loss": float(-np.log(of_truth).mean()),
    }
