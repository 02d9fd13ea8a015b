# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Generalised Dice loss (Sudre et al. 2017), from MONAI."""

from __future__ import annotations

from monai.losses.dice import GeneralizedDiceLoss
from torch import Tensor

from scripts.core.errors import ConfigError, closest_first
from scripts.core.losses.float32_loss import PARAMS_KEY, Float32Loss, check_positive, first_overlap_channel

VOLUME_WEIGHTS = ("square", "simple", "uniform")


class GeneralizedDice(Float32Loss):
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
        super().__init__()
        if volume_weight not in VOLUME_WEIGHTS:
            raise ConfigError(
                f"unknown volume weight {volume_weight!r}",
                where=f"{PARAMS_KEY}.volume_weight",
                got=volume_weight,
                expected="one of " + ", ".join(closest_first(volume_weight, VOLUME_WEIGHTS)),
            )
        check_positive(smooth, "smooth")
        self.loss = GeneralizedDiceLoss(
            include_background=first_overlap_channel(head, include_background) == 0,
            sigmoid=head == "sigmoid",
            softmax=head == "softmax",
            w_type=volume_weight,
            batch=batch_dice,
            smooth_nr=smooth,
            smooth_dr=smooth,
        )

    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the mean over samples."""
        return self.loss(logits, target)
