# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Soft Dice loss (Milletari et al. 2016; Drozdzal et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from scripts.core.losses.overlap import OverlapLoss


class Dice(OverlapLoss):
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
            batch_dice: Whether the batch, that of all processes, is scored as one image: steadier for
                small regions, and what is falsely found in a patch without a region costs as much as
                elsewhere.
            smooth: Added to numerator and denominator, in voxels; decides what an empty region costs.
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

    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the weighted mean over channels."""
        counts = self.count(logits, target)
        doubled = 2 * counts.true_positives
        volumes = doubled + counts.false_positives + counts.false_negatives
        return self.mean_over_channels(1 - (doubled + self.smooth) / (volumes + self.smooth), self.first)
