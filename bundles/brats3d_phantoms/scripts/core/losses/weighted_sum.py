# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Sum of two losses."""

from __future__ import annotations

from torch import Tensor, nn


class WeightedSum(nn.Module):
    """Weighted sum of an overlap loss and a loss per voxel."""

    def __init__(
        self, overlap: nn.Module, overlap_weight: float, voxel: nn.Module, voxel_weight: float
    ) -> None:
        """Keep the parts."""
        super().__init__()
        self.overlap = overlap
        self.voxel = voxel
        self.overlap_weight = overlap_weight
        self.voxel_weight = voxel_weight

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits ``(B, C, *S)`` and target ``(B, C, *S)``, a float32 scalar."""
        overlap: Tensor = self.overlap_weight * self.overlap(logits, target)
        return overlap + self.voxel_weight * self.voxel(logits, target)
