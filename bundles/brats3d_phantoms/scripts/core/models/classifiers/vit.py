# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Vision transformer with a class token (Dosovitskiy et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter, functional
from torch.nn.init import trunc_normal_

from scripts.core.errors import ConfigError
from scripts.core.models.architecture import PARAMS_KEY, Architecture, check_fraction
from scripts.core.models.layers import convolution
from scripts.core.models.transformer import TransformerLayer

_STD = 0.02


class VisionTransformer(nn.Module):
    """Transformer on the patches of an image; the logits are made of a token of their own."""

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        outputs: int,
        *,
        patch: int,
        hidden_size: int,
        layers: int,
        heads: int,
        positions: int,
        dropout: float,
    ) -> None:
        """Build it; positions are learned on a grid and interpolated to that of the image's patches."""
        super().__init__()
        sides = (patch,) * spatial_dims
        self.mode = "trilinear" if spatial_dims == 3 else "bilinear"
        self.embedding = convolution(spatial_dims, in_channels, hidden_size, sides, sides, bias=True)
        self.positions = Parameter(torch.zeros(1, hidden_size, *[positions] * spatial_dims))
        self.class_token = Parameter(torch.zeros(1, 1, hidden_size))
        for parameter in (self.positions, self.class_token):
            trunc_normal_(parameter, std=_STD)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(
            *[TransformerLayer(hidden_size, heads, 4, dropout) for _ in range(layers)]
        )
        self.norm = nn.LayerNorm(hidden_size)
        self.head = nn.Linear(hidden_size, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits ``(B, outputs)`` of images ``(B, C, *S)``."""
        cells = self.embedding(x)
        cells = cells + functional.interpolate(self.positions, size=cells.shape[2:], mode=self.mode)
        tokens = cells.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), tokens], dim=1)
        return self.head(self.norm(self.layers(self.dropout(tokens))[:, 0]))


def build_vit(
    *,
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    patch: int = 16,
    hidden_size: int = 384,
    layers: int = 8,
    heads: int = 6,
    positions: int = 8,
    dropout: float = 0.1,
) -> nn.Module:
    """Build a vision transformer.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Logits.
        patch: Sides of the patches that become tokens; they divide those of the image.
        hidden_size: Channels of a token.
        layers: Transformer layers.
        heads: Attention heads; they divide ``hidden_size``.
        positions: Cells along each axis of the grid on which positions are learned.
        dropout: Probability of dropping a value.

    Raises:
        ConfigError: A parameter that cannot work.
    """
    sizes = {
        "patch": patch,
        "hidden_size": hidden_size,
        "layers": layers,
        "heads": heads,
        "positions": positions,
    }
    for name, size in sizes.items():
        if not isinstance(size, int) or size < 1:
            raise ConfigError(
                f"{name} cannot work",
                where=f"{PARAMS_KEY}.{name}",
                got=size,
                expected="a positive whole number",
            )
    if hidden_size % heads:
        raise ConfigError(
            "heads must divide hidden_size",
            where=f"{PARAMS_KEY}.heads",
            got=heads,
            expected=f"a divisor of {hidden_size}",
        )
    fraction = check_fraction(dropout, "dropout")
    return VisionTransformer(spatial_dims, in_channels, out_channels, dropout=fraction, **sizes)


def _patch_sides(params: Mapping[str, Any], spatial_dims: int) -> tuple[int, ...]:
    patch = params["patch"]
    return (patch if isinstance(patch, int) and patch > 0 else 1,) * spatial_dims


ARCHITECTURE = Architecture(build_vit, _patch_sides)
