# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Tversky loss (Salehi et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from scripts.core.losses.float32_loss import check_positive
from scripts.core.losses.overlap import OverlapLoss


class Tversky(OverlapLoss):
    """One minus TP / (TP + alpha FP + beta FN), averaged over samples and channels; in [0, 1]."""

    def __init__(
        self,
        *,
        head: str,
        alpha: float = 0.3,
        beta: float = 0.7,
        include_background: bool | None = None,
        batch_dice: bool = False,
        smooth: float = 1e-5,
        weights: Sequence[float] | None = None,
    ) -> None:
        """Set up the loss.

        Args:
            head: ``sigmoid`` or ``softmax``.
            alpha: Weight of false positives.
            beta: Weight of false negatives; above ``alpha`` it favours sensitivity.
            include_background: Whether the background class counts (softmax only; by default not).
            batch_dice: Whether the batch is scored as one image.
            smooth: Added to numerator and denominator, in voxels.
            weights: Relative weights of the channels.

        Raises:
            ConfigError: A parameter that cannot work.
        """
        super().__init__(
            head=head,
            include_background=include_background,
            batch_dice=batch_dice,
            smooth=smooth,
            weights=weights,
        )
        self.alpha = check_positive(alpha, "alpha")
        self.beta = check_positive(beta, "beta")

    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the weighted mean over channels."""
        return self.mean_over_channels(self.losses(logits, target), self.first)

    def losses(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each channel, ``(C',)`` or ``(B, C')``."""
        counts = self.count(logits, target)
        found = counts.true_positives
        wrong = self.alpha * counts.false_positives + self.beta * counts.false_negatives
        return 1 - (found + self.smooth) / (found + wrong + self.smooth)
