# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Decoder stage that looks at several scales and masks what it saw."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scripts.core.models.blocks import BlockDesign
from scripts.core.models.layers import activation_layer, convolution, transposed_convolution


class MultiScale(nn.Module):
    """Parallel convolutions of several kernel sizes, merged by a 1x1 convolution."""

    def __init__(self, design: BlockDesign, inputs: int, outputs: int, kernel_sizes: Sequence[int]) -> None:
        """Make one branch of ``outputs`` channels per kernel size, and what merges them."""
        super().__init__()
        dims = design.spatial_dims
        one = (1,) * dims
        self.branches = nn.ModuleList(
            nn.Sequential(
                design.unit(inputs, outputs, (side,) * dims, one), activation_layer(design.activation)
            )
            for side in kernel_sizes
        )
        self.merge = design.unit(outputs * len(kernel_sizes), outputs, one, one)
        self.activation = activation_layer(design.activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, *S)`` to ``(B, outputs, *S)``."""
        scales: list[Tensor] = []
        for branch in self.branches:
            scales.append(branch(x))
        return self.activation(self.merge(torch.cat(scales, dim=1)))


class ChannelAttention(nn.Module):
    """Mask over channels, from their means (Hu et al. 2018)."""

    def __init__(self, spatial_dims: int, channels: int, reduction: int = 4) -> None:
        """Make the two projections with ``channels / reduction`` values between them."""
        super().__init__()
        one = (1,) * spatial_dims
        inner = max(1, channels // reduction)
        self.pool = nn.AdaptiveAvgPool3d(1) if spatial_dims == 3 else nn.AdaptiveAvgPool2d(1)
        self.squeeze = convolution(spatial_dims, channels, inner, one, one, bias=True)
        self.activation = nn.SiLU(inplace=True)  # lets a gradient through on both sides of zero
        self.excite = convolution(spatial_dims, inner, channels, one, one, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the mask of ``x`` ``(B, C, *S)``: ``(B, C, 1, 1)`` or ``(B, C, 1, 1, 1)``, 0 to 1."""
        return torch.sigmoid(self.excite(self.activation(self.squeeze(self.pool(x)))))


class SpatialAttention(nn.Module):
    """Mask over positions, from a convolution of all channels."""

    def __init__(self, spatial_dims: int, channels: int) -> None:
        """Make the convolution."""
        super().__init__()
        self.score = convolution(
            spatial_dims, channels, 1, (3,) * spatial_dims, (1,) * spatial_dims, bias=True
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the mask of ``x`` ``(B, C, *S)``: ``(B, 1, *S)``, 0 to 1."""
        return torch.sigmoid(self.score(x))


class MultiScaleAttentionStage(nn.Module):
    """Transposed convolution, concatenation, multi-scale convolutions, attention masks, residual sum."""

    def __init__(
        self, design: BlockDesign, kernel_sizes: Sequence[int], inputs: int, skip: int, outputs: int
    ) -> None:
        """Make a stage from ``inputs`` coarse channels and ``skip`` fine ones to ``outputs`` channels."""
        super().__init__()
        dims = design.spatial_dims
        one = (1,) * dims
        self.up = transposed_convolution(dims, inputs, outputs, (2,) * dims)
        self.multi_scale = MultiScale(design, outputs + skip, outputs, kernel_sizes)
        self.channel_attention = ChannelAttention(dims, outputs)
        self.spatial_attention = SpatialAttention(dims, outputs)
        self.shortcut = design.unit(outputs + skip, outputs, one, one)
        self.activation = activation_layer(design.activation)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Merge coarse features ``(B, inputs, *S / 2)`` with their skip ``(B, skip, *S)``."""
        joined = torch.cat([self.up(x), skip], dim=1)
        seen = self.multi_scale(joined)
        masked = seen * self.channel_attention(seen) * self.spatial_attention(seen)
        return self.activation(masked + self.shortcut(joined))
