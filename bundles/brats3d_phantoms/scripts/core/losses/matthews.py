# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Loss of the Matthews correlation coefficient (Abhishek and Hamarneh 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scripts.core.losses.overlap import OverlapLoss
from scripts.core.losses.processes import summed_over_processes


class Matthews(OverlapLoss):
    """One minus the correlation of prediction and reference over voxels; in [0, 2].

    Unlike overlap it counts what is rightly left out, so that a channel that fills the image is scored
    as one that is nearly empty.
    """

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
            batch_dice: Whether the batch, that of all processes, is scored as one image.
            smooth: Added to covariance and variances, in voxels; decides what an empty region costs.
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
        voxels = self._voxels(target)
        # TP TN - FP FN and the product under the root, each divided by the number of voxels.
        covariance = counts.true_positives - counts.predicted * (counts.reference / voxels)
        of_predicted = (counts.predicted * (1 - counts.predicted / voxels)).clamp(min=0)
        of_reference = (counts.reference * (1 - counts.reference / voxels)).clamp(min=0)
        deviations = torch.sqrt((of_predicted + self.smooth) * (of_reference + self.smooth))
        return self.mean_over_channels(1 - (covariance + self.smooth) / deviations, self.first)

    def _voxels(self, target: Tensor) -> Tensor:
        """Voxels of what is scored as one image."""
        of_sample = target.new_tensor(float(target[0, 0].numel()))
        return summed_over_processes(of_sample * len(target)) if self.batch_dice else of_sample
