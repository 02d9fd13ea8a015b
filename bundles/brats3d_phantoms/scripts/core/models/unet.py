# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""U-Net (Ronneberger et al. 2015; in three dimensions Çiçek et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from scripts.core.models.architecture import Architecture, check_filters, check_fraction, check_level_dropout
from scripts.core.models.blocks import BlockDesign
from scripts.core.models.encoder_decoder import EncoderDecoder, isotropic, multiple_of_halvings


def build_unet(
    *,
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    activation: str = "leakyrelu",
    normalisation: str = "instance",
    dropout: float = 0.0,
    level_dropout: Sequence[float] = (),
    downsampling: str = "maxpool",
    upsampling: str = "transposed",
    deep_supervision: bool = False,
) -> nn.Module:
    """Build a U-Net with two convolutions per level.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        filters: Channels per level, finest first; each level halves the sides.
        activation: ``relu``, ``prelu`` or ``leakyrelu``.
        normalisation: ``instance``, ``batch`` or ``none``.
        dropout: Probability of dropping a channel after each convolution.
        level_dropout: Probability of dropping a value after the encoder's two convolutions of each level,
            finest first; ``[0, 0, 0, 0, 0.2]`` drops between encoder and decoder alone.
        downsampling: ``maxpool`` or ``stride`` (strided convolution).
        upsampling: ``transposed`` (transposed convolution) or ``nearest`` (each value repeated, then a
            convolution as wide as the stride, normalised and activated).
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
        upsampling=upsampling,
        deep_supervision=deep_supervision,
        level_dropout=check_level_dropout(level_dropout, len(filters)),
    )


ARCHITECTURE = Architecture(build_unet, multiple_of_halvings)
