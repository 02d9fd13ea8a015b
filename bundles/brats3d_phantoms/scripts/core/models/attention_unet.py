# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Attention U-Net (Oktay et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from scripts.core.models.architecture import Architecture, check_filters, check_fraction
from scripts.core.models.blocks import BlockDesign
from scripts.core.models.encoder_decoder import EncoderDecoder, isotropic, multiple_of_halvings


def build_attention_unet(
    *,
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    activation: str = "leakyrelu",
    normalisation: str = "instance",
    dropout: float = 0.0,
    downsampling: str = "maxpool",
    deep_supervision: bool = False,
) -> nn.Module:
    """Build a U-Net whose skip connections pass additive attention gates.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        filters: Channels per level, finest first; each level halves the sides.
        activation: ``relu``, ``prelu`` or ``leakyrelu``.
        normalisation: ``instance``, ``batch`` or ``none``.
        dropout: Probability of dropping a channel after each convolution.
        downsampling: ``maxpool`` or ``stride`` (strided convolution).
        deep_supervision: Whether coarser levels are supervised in training, too.

    Raises:
        ConfigError: A parameter that cannot work.
    """
    filters = check_filters(filters)
    design = BlockDesign(
        spatial_dims, activation, normalisation, check_fraction(dropout, "dropout"), 2, residual=False
    )
    return EncoderDecoder(
        design,
        in_channels,
        out_channels,
        filters,
        isotropic(2, spatial_dims, len(filters) - 1),
        isotropic(3, spatial_dims, len(filters)),
        downsampling=downsampling,
        attention=True,
        deep_supervision=deep_supervision,
    )


ARCHITECTURE = Architecture(build_attention_unet, multiple_of_halvings)
