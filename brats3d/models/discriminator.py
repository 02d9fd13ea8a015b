"""Tells from features of a network which of two data sets an image is from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

CONVOLUTIONS: Mapping[int, type[nn.Module]] = MappingProxyType({2: nn.Conv2d, 3: nn.Conv3d})
_SLOPE = 0.2


def build_discriminator(
    spatial_dims: int, in_channels: int, filters: Sequence[int] = (16, 32)
) -> nn.Sequential:
    """Build a fully convolutional discriminator, which judges each neighbourhood by itself.

    All convolutions have spectral norm 1 (Miyato et al. 2018), so that its answers cannot become ever
    steeper and its gradient stays of use. Weights are drawn from PyTorch's global generator.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the features.
        filters: Channels of its layers, each of which halves the sides.

    Returns:
        Network from features ``(B, in_channels, *S)`` to logits ``(B, 1, *S')``.
    """
    kind = CONVOLUTIONS[spatial_dims]
    layers: list[nn.Module] = []
    for inputs, outputs in zip((in_channels, *filters[:-1]), filters, strict=True):
        layers += [spectral_norm(kind(inputs, outputs, 3, 2, 1)), nn.LeakyReLU(_SLOPE)]
    layers.append(spectral_norm(kind(filters[-1], 1, 3, 1, 1)))
    return nn.Sequential(*layers)
