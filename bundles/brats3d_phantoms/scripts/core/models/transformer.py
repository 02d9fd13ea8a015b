# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Vision transformer on feature maps (Dosovitskiy et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import Parameter, functional
from torch.nn.init import trunc_normal_

from scripts.core.models.layers import convolution

_POSITION_STD = 0.02


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017) of tokens ``(B, N, C)``."""

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        """Make the projections; ``heads`` divides ``channels``, ``dropout`` is that of the output."""
        super().__init__()
        self.heads = heads
        self.of_tokens = nn.Linear(channels, 3 * channels)
        self.output = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the attended tokens."""
        split = self.of_tokens(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(split[0], split[1], split[2])
        return self.dropout(self.output(attended.transpose(1, 2).flatten(2)))


class TransformerLayer(nn.Module):
    """Self-attention and a two-layer perceptron, each normalised before and added to its input."""

    def __init__(self, channels: int, heads: int, widening: int, dropout: float) -> None:
        """Make a layer whose perceptron has ``widening`` times as many hidden channels."""
        super().__init__()
        self.before_attention = nn.LayerNorm(channels)
        self.attention = SelfAttention(channels, heads, dropout)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, widening * channels),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(widening * channels, channels),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens ``(B, N, C)`` of the same shape."""
        tokens = tokens + self.attention(self.before_attention(tokens))
        return tokens + self.perceptron(tokens)


class TransformerBridge(nn.Module):
    """Transformer on the cells of a feature map, each of which is a token.

    Positions are learned on a grid of ``positions`` cells along each axis and interpolated linearly to
    the size of the map.
    """

    def __init__(
        self,
        spatial_dims: int,
        channels: int,
        *,
        hidden_size: int,
        layers: int,
        heads: int,
        positions: int,
        dropout: float,
    ) -> None:
        """Build the transformer from and to ``channels``."""
        super().__init__()
        one, three = (1,) * spatial_dims, (3,) * spatial_dims
        self.mode = "trilinear" if spatial_dims == 3 else "bilinear"
        self.embedding = convolution(spatial_dims, channels, hidden_size, one, one, bias=True)
        self.positions = Parameter(torch.zeros(1, hidden_size, *[positions] * spatial_dims))
        trunc_normal_(self.positions, std=_POSITION_STD)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(
            *[TransformerLayer(hidden_size, heads, 4, dropout) for _ in range(layers)],
            nn.LayerNorm(hidden_size),
        )
        self.output = convolution(spatial_dims, hidden_size, channels, three, one, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape ``(B, channels, *S)``."""
        positions = functional.interpolate(self.positions, size=x.shape[2:], mode=self.mode)
        cells = self.embedding(x) + positions
        tokens = self.layers(self.dropout(cells.flatten(2).transpose(1, 2)))
        return self.output(tokens.transpose(1, 2).reshape(cells.shape))
