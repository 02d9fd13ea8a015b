# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Cross-entropy: binary per region, or categorical over classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from scripts.core.losses.float32_loss import Float32Loss
from scripts.core.losses.processes import summed_over_processes


class CrossEntropy(Float32Loss):
    """Negative log-likelihood per voxel, in nats.

    With the sigmoid head the mean over regions of binary cross-entropies; with the softmax head
    the categorical one, whose weighted form is the weighted mean over voxels by true class.
    """

    def __init__(self, *, head: str, weights: Sequence[float] | None = None) -> None:
        """Set up the loss.

        Args:
            head: ``sigmoid`` or ``softmax``.
            weights: Relative weights of the channels.

        Raises:
            ConfigError: Weights that cannot work.
        """
        super().__init__(weights)
        self.softmax = head == "softmax"

    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean over voxels."""
        if self.softmax:
            return mean_by_true_class(-functional.log_softmax(logits, dim=1) * target, target, self.weights)
        losses = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return self.mean_over_channels(losses.flatten(2).mean(dim=2))


def mean_by_true_class(losses: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    """Average losses over voxels (of all processes), each by the weight of its true class.

    Args:
        losses: ``(B, C, *S)``, zero outside the true class.
        target: One-hot, ``(B, C, *S)``.
        weights: ``(C,)``, or none for equal weights.

    Returns:
        A scalar; 0 where only classes of weight 0 occur.
    """
    of_class = losses.transpose(0, 1).flatten(1).sum(dim=1)
    voxels = target.transpose(0, 1).flatten(1).sum(dim=1)
    if weights is None:
        return of_class.sum() / voxels.sum()
    # Without weights all processes divide by the same number; here by that of the whole batch.
    sums = torch.stack([(of_class * weights).sum(), (voxels * weights).sum()])
    weighted, divisor = summed_over_processes(sums).unbind()
    return weighted / divisor.clamp(min=1e-8)
