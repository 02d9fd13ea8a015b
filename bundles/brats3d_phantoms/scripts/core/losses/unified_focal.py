# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Unified focal loss, asymmetric and symmetric (Yeung et al. 2022)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from scripts.core.errors import ConfigError
from scripts.core.losses.cross_entropy import mean_by_true_class
from scripts.core.losses.float32_loss import PARAMS_KEY
from scripts.core.losses.overlap import OverlapLoss

# Below this the root of a Tversky loss has a gradient too steep for training.
SMALLEST_LOSS = 1e-8


class UnifiedFocal(OverlapLoss):
    """A focal cross-entropy and a focal Tversky loss that share their parameters.

    The background is the common class, every other one is rare. A sigmoid channel is a problem of two
    classes: the region, which is rare, and what lies outside it.
    """

    def __init__(
        self,
        *,
        head: str,
        weight: float = 0.5,
        delta: float = 0.6,
        gamma: float = 0.5,
        batch_dice: bool = True,
        smooth: float = 1e-5,
        weights: Sequence[float] | None = None,
    ) -> None:
        """Set up the loss.

        Args:
            head: ``sigmoid`` or ``softmax``.
            weight: Share of the cross-entropy, from 0 to 1; the rest is the Tversky loss (lambda).
            delta: Weight of the rare classes in the cross-entropy and of false negatives in the Tversky
                loss, between 0 and 1; the others weigh 1 - delta.
            gamma: How much what is easy is passed over, at least 0 and below 1.
            batch_dice: Whether the batch, that of all processes, is scored as one image.
            smooth: Added to numerator and denominator of the Tversky index, in voxels.
            weights: Relative weights of the channels, in both parts.

        Raises:
            ConfigError: A parameter that cannot work.
        """
        super().__init__(
            head=head,
            include_background=True if head == "softmax" else None,
            batch_dice=batch_dice,
            smooth=smooth,
            weights=weights,
        )
        self.weight = _within("weight", weight, 0 <= weight <= 1, "from 0 to 1")
        self.delta = _within("delta", delta, 0 < delta < 1, "between 0 and 1")
        self.gamma = _within("gamma", gamma, 0 <= gamma < 1, "at least 0 and below 1")

    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the weighted sum of both parts."""
        entropy = self._entropy_of_classes if self.softmax else self._entropy_of_regions
        return self.weight * entropy(logits, target) + (1 - self.weight) * self._tversky(logits, target)

    @abstractmethod
    def focus_entropy(self, log_missing: Tensor, *, rare: bool) -> Tensor:
        """Return the factor of cross-entropies, from the logarithm of 1 - probability of the truth."""

    @abstractmethod
    def focus_overlap(self, losses: Tensor, *, rare: bool) -> Tensor:
        """Return the Tversky losses as they count."""

    def _entropy_of_regions(self, logits: Tensor, target: Tensor) -> Tensor:
        inside, outside = functional.logsigmoid(logits), functional.logsigmoid(-logits)
        found = self.delta * self.focus_entropy(outside, rare=True) * -inside
        left_out = (1 - self.delta) * self.focus_entropy(inside, rare=False) * -outside
        losses = target * found + (1 - target) * left_out
        return self.mean_over_channels(losses.flatten(2).mean(dim=2))

    def _entropy_of_classes(self, logits: Tensor, target: Tensor) -> Tensor:
        log_probabilities = functional.log_softmax(logits, dim=1)
        others = log_probabilities.masked_fill(target.bool(), -torch.inf)
        log_missing = torch.logsumexp(others, dim=1, keepdim=True)
        common = (1 - self.delta) * self.focus_entropy(log_missing, rare=False)
        rare = self.delta * self.focus_entropy(log_missing, rare=True)
        factors = torch.cat([common, rare.expand(-1, logits.shape[1] - 1, *rare.shape[2:])], dim=1)
        return mean_by_true_class(factors * -log_probabilities * target, target, self.weights)

    def _tversky(self, logits: Tensor, target: Tensor) -> Tensor:
        counts = self.count(logits, target)
        found, added, missed = counts.true_positives, counts.false_positives, counts.false_negatives
        if self.softmax:
            losses = self._tversky_losses(found, added, missed)
            parts = [
                self.focus_overlap(losses[..., :1], rare=False),
                self.focus_overlap(losses[..., 1:], rare=True),
            ]
            return self.mean_over_channels(torch.cat(parts, dim=-1))
        rare = self.focus_overlap(self._tversky_losses(found, added, missed), rare=True)
        inverted = self.count(-logits, 1 - target)
        common = self._tversky_losses(
            inverted.true_positives, inverted.false_positives, inverted.false_negatives
        )
        return self.mean_over_channels((rare + self.focus_overlap(common, rare=False)) / 2)

    def _tversky_losses(self, found: Tensor, added: Tensor, missed: Tensor) -> Tensor:
        wrong = self.delta * missed + (1 - self.delta) * added
        return wrong / (found + wrong + self.smooth)


class AsymmetricUnifiedFocal(UnifiedFocal):
    """Focus on the rare: their cross-entropy stays whole, and their overlap alone is stressed."""

    def focus_entropy(self, log_missing: Tensor, *, rare: bool) -> Tensor:
        """Return 1 for rare classes, else (1 - probability of the truth) to the power of gamma."""
        return torch.ones_like(log_missing) if rare else torch.exp(self.gamma * log_missing)

    def focus_overlap(self, losses: Tensor, *, rare: bool) -> Tensor:
        """Return the losses of rare classes to the power of 1 - gamma, others as they are."""
        return _power(losses, 1 - self.gamma) if rare else losses


class SymmetricUnifiedFocal(UnifiedFocal):
    """All classes alike, but for ``delta``."""

    def focus_entropy(self, log_missing: Tensor, *, rare: bool) -> Tensor:
        """Return (1 - probability of the truth) to the power of gamma."""
        return torch.exp(self.gamma * log_missing)

    def focus_overlap(self, losses: Tensor, *, rare: bool) -> Tensor:
        """Return the losses to the power of 1 - gamma."""
        return _power(losses, 1 - self.gamma)


def _power(losses: Tensor, exponent: float) -> Tensor:
    return losses.clamp(min=SMALLEST_LOSS) ** exponent


def _within(name: str, value: float, works: bool, expected: str) -> float:
    if works:
        return float(value)
    raise ConfigError(
        "a setting that cannot work", where=f"{PARAMS_KEY}.{name}", got=value, expected=expected
    )
