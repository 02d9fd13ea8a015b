# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Tversky loss (Salehi et al. 2017), from MONAI."""

from __future__ import annotations

from collections.abc import Sequence

from monai.losses.tversky import TverskyLoss
from torch import Tensor

from scripts.core.losses.float32_loss import Float32Loss, check_positive, first_overlap_channel


class Tversky(Float32Loss):
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
        super().__init__(weights)
        check_positive(smooth, "smooth")
        self.first = first_overlap_channel(head, include_background)
        self.loss = TverskyLoss(
            include_background=self.first == 0,
            sigmoid=head == "sigmoid",
            softmax=head == "softmax",
            alpha=check_positive(alpha, "alpha"),
            beta=check_positive(beta, "beta"),
            reduction="none",
            batch=batch_dice,
            smooth_nr=smooth,
            smooth_dr=smooth,
        )

    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the weighted mean over channels."""
        return self.mean_over_channels(self.loss(logits, target), self.first)
