# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Generalised Dice loss (Sudre et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor

from scripts.core.errors import ConfigError, closest_first
from scripts.core.losses.float32_loss import PARAMS_KEY
from scripts.core.losses.overlap import OverlapLoss

# Power of the volume that a channel's counts are divided by.
VOLUME_WEIGHTS = {"square": 2, "simple": 1, "uniform": 0}


class GeneralizedDice(OverlapLoss):
    """Dice loss over all channels at once, each weighted by its inverse (squared) volume.

    A sample in which every counted channel is empty costs nothing and teaches nothing.
    """

    def __init__(
        self,
        *,
        head: str,
        volume_weight: str = "square",
        include_background: bool | None = None,
        batch_dice: bool = False,
        smooth: float = 1e-5,
    ) -> None:
        """Set up the loss.

        Args:
            head: ``sigmoid`` or ``softmax``.
            volume_weight: ``square`` (one over the volume squared), ``simple`` or ``uniform``.
            include_background: Whether the background class counts (softmax only; by default not).
            batch_dice: Whether the batch is scored as one image.
            smooth: Added to numerator and denominator.

        Raises:
            ConfigError: A parameter that cannot work.
        """
        super().__init__(
            head=head, include_background=include_background, batch_dice=batch_dice, smooth=smooth
        )
        if volume_weight not in VOLUME_WEIGHTS:
            raise ConfigError(
                f"unknown volume weight {volume_weight!r}",
                where=f"{PARAMS_KEY}.volume_weight",
                got=volume_weight,
                expected="one of " + ", ".join(closest_first(volume_weight, VOLUME_WEIGHTS)),
            )
        self.power = VOLUME_WEIGHTS[volume_weight]

    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean over samples."""
        counts = self.count(logits, target)
        weights = self._volume_weights(counts.reference)
        doubled = 2 * counts.true_positives
        volumes = doubled + counts.false_positives + counts.false_negatives
        overlap = (doubled * weights).sum(dim=-1) + self.smooth
        return (1 - overlap / ((volumes * weights).sum(dim=-1) + self.smooth)).mean()

    def _volume_weights(self, volumes: Tensor) -> Tensor:
        """Weights of the channels; an empty one counts as much as the smallest that is not."""
        weights = volumes.clamp(min=1) ** -self.power
        if self.power == 0:
            return weights
        present = torch.where(volumes > 0, weights, 0)
        return torch.where(volumes > 0, weights, present.amax(dim=-1, keepdim=True))
