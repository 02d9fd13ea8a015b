# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""U-Net with the encoder of VGG19 (Simonyan and Zisserman 2015; Ronneberger et al. 2015)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

from torch import nn

from scripts.core.models.architecture import PARAMS_KEY, Architecture, check_fraction
from scripts.core.models.blocks import BlockDesign
from scripts.core.models.encoder_unet import JoiningStage, constant_multiple, unet_of
from scripts.core.models.encoders import build_encoder
from scripts.core.models.encoders.vgg import FILTERS
from scripts.core.registry import look_up

NORMALISED: Mapping[str, bool] = MappingProxyType({"vgg19": False, "vgg19_bn": True})
STRIDE = 16


def build_vgg19_unet(
    *,
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    encoder: str = "vgg19",
    filters: Sequence[int] = FILTERS,
    activation: str = "relu",
    normalisation: str = "batch",
    dropout: float = 0.0,
    pretrained: str | None = None,
    freeze_encoder: bool = False,
) -> nn.Module:
    """Build a U-Net whose encoder can start from weights of ImageNet.

    The five stages of VGG19 are its levels; the decoder mirrors their channels with transposed
    convolutions, a skip from each stage, and two convolutions per level.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        encoder: ``vgg19``, or ``vgg19_bn`` with batch normalisation.
        filters: Channels of the five levels, finest first; ``pretrained`` fits the default only.
        activation: Of the decoder: ``relu``, ``prelu`` or ``leakyrelu``.
        normalisation: Of the decoder: ``instance``, ``batch`` or ``none``.
        dropout: Probability of dropping a channel after each convolution of the decoder.
        pretrained: State dict of the encoder as torchvision names its weights; read when a training
            starts, and not needed afterwards.
        freeze_encoder: Whether only the decoder is trained, as on a ``pretrained`` encoder.

    Raises:
        ConfigError: A parameter that cannot work.
    """
    design = BlockDesign(
        spatial_dims, activation, normalisation, check_fraction(dropout, "dropout"), 2, residual=False
    )
    made = build_encoder(
        "vgg19",
        spatial_dims=spatial_dims,
        in_channels=in_channels,
        pretrained=pretrained,
        filters=filters,
        normalised=look_up(NORMALISED, encoder, f"{PARAMS_KEY}.encoder"),
    )
    stage = partial(JoiningStage, design)
    return unet_of(
        made,
        stage,
        spatial_dims,
        in_channels,
        out_channels,
        made.channels[:-1],
        freeze_encoder=freeze_encoder,
    )


ARCHITECTURE = Architecture(build_vgg19_unet, constant_multiple(STRIDE))
