# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Focal Tversky loss (Abraham and Khan 2019)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from scripts.core.losses.float32_loss import check_positive
from scripts.core.losses.tversky import Tversky

# Below this the root of a Tversky loss has a gradient too steep for training.
SMALLEST_LOSS = 1e-6


class FocalTversky(Tversky):
    """The Tversky loss of each channel to the power of 1 / gamma; in [0, 1]."""

    def __init__(
        self,
        *,
        head: str,
        alpha: float = 0.3,
        beta: float = 0.7,
        gamma: float = 4 / 3,
        include_background: bool | None = None,
        batch_dice: bool = False,
        smooth: float = 1e-5,
        weights: Sequence[float] | None = None,
    ) -> None:
        """Set up the loss.

        Args:
            head: ``sigmoid`` or ``softmax``.
            alpha: Weight of false positives.
            beta: Weight of false negatives.
            gamma: Above 1 it stresses badly segmented channels less and nearly perfect ones more.
            include_background: Whether the background class counts (softmax only; by default not).
            batch_dice: Whether the batch is scored as one image.
            smooth: Added to numerator and denominator, in voxels.
            weights: Relative weights of the channels.

        Raises:
            ConfigError: A parameter that cannot work.
        """
        super().__init__(
            head=head,
            alpha=alpha,
            beta=beta,
            include_background=include_background,
            batch_dice=batch_dice,
            smooth=smooth,
            weights=weights,
        )
        self.exponent = 1 / check_positive(gamma, "gamma")

    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the weighted mean over channels."""
        losses = self.losses(logits, target).clamp(min=SMALLEST_LOSS) ** self.exponent
        return self.mean_over_channels(losses, self.first)
