# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Focal loss (Lin et al. 2017), from MONAI."""

from __future__ import annotations

from collections.abc import Sequence

from monai.losses.focal_loss import FocalLoss
from torch import Tensor

from scripts.core.losses.cross_entropy import mean_by_true_class
from scripts.core.losses.float32_loss import Float32Loss, check_positive


class Focal(Float32Loss):
    """Cross-entropy that well-classified voxels hardly enter; with ``gamma`` 0 plain cross-entropy."""

    def __init__(self, *, head: str, gamma: float = 2.0, weights: Sequence[float] | None = None) -> None:
        """Set up the loss.

        Args:
            head: ``sigmoid`` or ``softmax``.
            gamma: Exponent of one minus the probability of the truth.
            weights: Relative weights of the channels.

        Raises:
            ConfigError: A parameter that cannot work.
        """
        super().__init__(weights)
        self.softmax = head == "softmax"
        gamma = check_positive(gamma, "gamma", zero=True)
        self.loss = FocalLoss(gamma=gamma, use_softmax=self.softmax, reduction="none")

    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean over voxels."""
        losses = self.loss(logits, target)
        if self.softmax:
            return mean_by_true_class(losses, target, self.weights)
        return self.mean_over_channels(losses.flatten(2).mean(dim=2))
