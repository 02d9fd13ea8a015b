# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""The network of a bundle by name, with its parameters side by side as MONAI's own networks have them."""

from __future__ import annotations

from typing import Any

from torch import nn

from scripts.core.models import build_network


def segmentation_network(
    *, architecture: str, spatial_dims: int, in_channels: int, out_channels: int, **params: Any
) -> nn.Module:
    """Build the network; the weights come from ``models/model.pt``.

    Args:
        architecture: Name of the network, such as ``unet``.
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        params: Parameters of the network, such as ``filters`` and ``dropout``.

    Raises:
        ConfigError: An unknown name or parameter, or a value that cannot work.
    """
    return build_network(
        architecture,
        spatial_dims=spatial_dims,
        in_channels=in_channels,
        out_channels=out_channels,
        params=params,
    )
