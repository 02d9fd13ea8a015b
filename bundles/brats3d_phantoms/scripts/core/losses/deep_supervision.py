# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Loss of a network that is supervised at several resolutions (Lee et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional


class DeepSupervisionLoss(nn.Module):
    """Weighted mean of one loss over resolutions; each coarser one counts half of the one before."""

    def __init__(self, loss: nn.Module) -> None:
        """Wrap ``loss``, which takes one tensor of logits."""
        super().__init__()
        self.loss = loss

    def forward(self, logits: Tensor | Sequence[Tensor], target: Tensor) -> Tensor:
        """Return the loss, a float32 scalar.

        Args:
            logits: One tensor ``(B, C, *S)``, or several, finest first.
            target: ``(B, C, *S)``; taken at the nearest voxel for coarser logits, so that it
                stays zeros and ones and classes stay exclusive.
        """
        levels = [logits] if isinstance(logits, Tensor) else list(logits)
        total = target.new_zeros(())
        for level, level_logits in enumerate(levels):
            total = total + 0.5**level * self.loss(level_logits, _resized(target, level_logits.shape[2:]))
        return total / sum(0.5**level for level in range(len(levels)))


def _resized(target: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(target.shape[2:]) == tuple(size):
        return target
    return functional.interpolate(target, size=tuple(size), mode="nearest")
