# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Dice plus cross-entropy (as nnU-Net trains, Isensee et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from scripts.core.losses.cross_entropy import CrossEntropy
from scripts.core.losses.dice import Dice
from scripts.core.losses.float32_loss import check_positive
from scripts.core.losses.weighted_sum import WeightedSum


def build_dice_ce(
    *,
    head: str,
    dice_weight: float = 1.0,
    ce_weight: float = 1.0,
    include_background: bool | None = None,
    batch_dice: bool = True,
    smooth: float = 1e-5,
    weights: Sequence[float] | None = None,
) -> nn.Module:
    """Build the sum of Dice loss and cross-entropy.

    Args:
        head: ``sigmoid`` or ``softmax``.
        dice_weight: Factor of the Dice loss.
        ce_weight: Factor of the cross-entropy.
        include_background: Whether the background counts in Dice (softmax only; by default not).
        batch_dice: Whether the batch is scored as one image, see :class:`~brats3d.losses.dice.Dice`.
        smooth: Added to numerator and denominator of Dice, in voxels.
        weights: Relative weights of the channels, in both parts.

    Raises:
        ConfigError: A parameter that cannot work.
    """
    dice = Dice(
        head=head,
        include_background=include_background,
        batch_dice=batch_dice,
        smooth=smooth,
        weights=weights,
    )
    return WeightedSum(
        dice,
        check_positive(dice_weight, "dice_weight"),
        CrossEntropy(head=head, weights=weights),
        check_positive(ce_weight, "ce_weight"),
    )
