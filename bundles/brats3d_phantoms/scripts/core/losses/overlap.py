# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""What the losses of overlap share: soft counts of voxels per channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from scripts.core.losses.float32_loss import Float32Loss, check_positive, first_overlap_channel
from scripts.core.losses.processes import summed_over_processes


class Overlap(NamedTuple):
    """Sums of probabilities in voxels, ``(C',)`` where the batch is one image, else ``(B, C')``."""

    true_positives: Tensor
    predicted: Tensor
    reference: Tensor

    @property
    def false_positives(self) -> Tensor:
        """Predicted voxels outside the reference."""
        return self.predicted - self.true_positives

    @property
    def false_negatives(self) -> Tensor:
        """Voxels of the reference that are not predicted."""
        return self.reference - self.true_positives


class OverlapLoss(Float32Loss):
    """A loss of how prediction and reference overlap, per sample or in the batch as one image.

    Where several processes train together, the batch is that of all of them.
    """

    def __init__(
        self,
        *,
        head: str,
        include_background: bool | None,
        batch_dice: bool,
        smooth: float,
        weights: Sequence[float] | None = None,
    ) -> None:
        """Set up what is counted.

        Args:
            head: ``sigmoid`` or ``softmax``.
            include_background: Whether the background class counts (softmax only; by default not).
            batch_dice: Whether the batch is scored as one image.
            smooth: Added to numerator and denominator, in voxels.
            weights: Relative weights of the channels.

        Raises:
            ConfigError: A parameter that cannot work.
        """
        super().__init__(weights)
        self.softmax = head == "softmax"
        self.first = first_overlap_channel(head, include_background)
        self.batch_dice = batch_dice
        self.smooth = check_positive(smooth, "smooth")

    def count(self, logits: Tensor, target: Tensor) -> Overlap:
        """Count voxels of logits and target ``(B, C, *S)``, from channel ``first`` on."""
        probabilities = torch.softmax(logits, dim=1) if self.softmax else torch.sigmoid(logits)
        probabilities, target = probabilities[:, self.first :], target[:, self.first :]
        axes = tuple(range(2, logits.ndim))
        if not self.batch_dice:
            return _counted(probabilities, target, axes)
        own = _counted(probabilities, target, (0, *axes))
        return Overlap(*summed_over_processes(torch.stack(own)).unbind())


def _counted(probabilities: Tensor, target: Tensor, axes: tuple[int, ...]) -> Overlap:
    return Overlap((probabilities * target).sum(axes), probabilities.sum(axes), target.sum(axes))
