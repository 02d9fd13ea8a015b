# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Soft Dice loss (Milletari et al. 2016; Drozdzal et al. 2016), from MONAI."""

from __future__ import annotations

from collections.abc import Sequence

from monai.losses.dice import DiceLoss
from torch import Tensor

from scripts.core.losses.float32_loss import Float32Loss, check_positive, first_overlap_channel


class Dice(Float32Loss):
    """One minus the soft Dice coefficient, averaged over samples and channels; in [0, 1]."""

    def __init__(
        self,
        *,
        head: str,
        include_background: bool | None = None,
        batch_dice: bool = True,
        smooth: float = 1e-5,
        weights: Sequence[float] | None = None,
    ) -> None:
        """Set up the loss.

        Args:
            head: ``sigmoid`` or ``softmax``.
            include_background: Whether the background class counts (softmax only; by default not).
            batch_dice: Whether the batch is scored as one image: steadier for small regions, and what is
                falsely found in a patch without a region costs as much as elsewhere.
            smooth: Added to numerator and denominator, in voxels; decides what an empty region costs.
            weights: Relative weights of the channels.

        Raises:
            ConfigError: A parameter that cannot work.
        """
        super().__init__(weights)
        check_positive(smooth, "smooth")
        self.first = first_overlap_channel(head, include_background)
        self.loss = DiceLoss(
            include_background=self.first == 0,
            sigmoid=head == "sigmoid",
            softmax=head == "softmax",
            reduction="none",
            batch=batch_dice,
            smooth_nr=smooth,
            smooth_dr=smooth,
        )

    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the weighted mean over channels."""
        channels = logits.shape[1] - self.first
        return self.mean_over_channels(self.loss(logits, target).reshape(-1, channels), self.first)
