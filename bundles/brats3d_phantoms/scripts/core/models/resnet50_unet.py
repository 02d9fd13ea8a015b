# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""U-Net with the encoder of ResNet50 (He et al. 2016; Ronneberger et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import nn

from scripts.core.models.architecture import Architecture, check_fraction
from scripts.core.models.blocks import BlockDesign
from scripts.core.models.decoder_filters import DECODER_FILTERS, check_decoder_filters
from scripts.core.models.encoder_unet import JoiningStage, constant_multiple, unet_of
from scripts.core.models.encoders import build_encoder

STRIDE = 32


def build_resnet50_unet(
    *,
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    width: int = 64,
    filters: Sequence[int] = DECODER_FILTERS,
    activation: str = "relu",
    normalisation: str = "batch",
    dropout: float = 0.0,
    pretrained: str | None = None,
    freeze_encoder: bool = False,
) -> nn.Module:
    """Build a U-Net whose encoder can start from weights of ImageNet.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        width: Channels of the encoder's first convolution; ``pretrained`` fits the default only.
        filters: Channels of the decoder's five levels, finest first.
        activation: Of the decoder: ``relu``, ``prelu`` or ``leakyrelu``.
        normalisation: Of the decoder: ``instance``, ``batch`` or ``none``.
        dropout: Probability of dropping a channel after each convolution of the decoder.
        pretrained: State dict of the encoder as torchvision names its weights; read when a training
            starts, and not needed afterwards.
        freeze_encoder: Whether only the decoder is trained, as on a ``pretrained`` encoder.

    Raises:
        ConfigError: A parameter that cannot work.
    """
    filters = check_decoder_filters(filters)
    design = BlockDesign(
        spatial_dims, activation, normalisation, check_fraction(dropout, "dropout"), 2, residual=False
    )
    encoder = build_encoder(
        "resnet50", spatial_dims=spatial_dims, in_channels=in_channels, pretrained=pretrained, width=width
    )
    stage = partial(JoiningStage, design)
    return unet_of(
        encoder, stage, spatial_dims, in_channels, out_channels, filters, freeze_encoder=freeze_encoder
    )


ARCHITECTURE = Architecture(build_resnet50_unet, constant_multiple(STRIDE))
