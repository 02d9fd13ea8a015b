# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Multi-scale attention U-Net with the encoder of an EfficientNet."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import nn

from scripts.core.errors import ConfigError
from scripts.core.models.architecture import PARAMS_KEY, Architecture, check_fraction
from scripts.core.models.blocks import BlockDesign
from scripts.core.models.decoder_filters import DECODER_FILTERS, check_decoder_filters
from scripts.core.models.encoder_unet import constant_multiple, unet_of
from scripts.core.models.encoders import build_encoder
from scripts.core.models.encoders.efficientnet import SCALINGS
from scripts.core.models.multiscale_attention import MultiScaleAttentionStage
from scripts.core.registry import look_up

STRIDE = 32


def build_multiscale_attention_unet(
    *,
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    encoder: str = "efficientnet_b4",
    filters: Sequence[int] = DECODER_FILTERS,
    kernel_sizes: Sequence[int] = (1, 3, 5),
    activation: str = "relu",
    normalisation: str = "batch",
    dropout: float = 0.0,
    width: float | None = None,
    depth: float | None = None,
    path_dropout: float = 0.2,
    pretrained: str | None = None,
    freeze_encoder: bool = False,
) -> nn.Module:
    """Build a U-Net whose decoder masks what it sees at several scales.

    Each stage of the decoder up-samples by a transposed convolution, joins the skip (the finest is the
    image), applies convolutions of several kernel sizes side by side and merges them, multiplies by an
    attention mask over channels and one over positions, and adds its input.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        encoder: ``efficientnet_b0`` to ``efficientnet_b7``.
        filters: Channels of the decoder's five levels, finest first.
        kernel_sizes: Sides of the parallel kernels, odd.
        activation: Of the decoder: ``relu``, ``prelu`` or ``leakyrelu``.
        normalisation: Of the decoder: ``instance``, ``batch`` or ``none``.
        dropout: Probability of dropping a channel after each convolution of the decoder.
        width: Factor of the channels that EfficientNet B0 has; None: that of ``encoder``, which
            ``pretrained`` needs.
        depth: Factor of its blocks per stage; None: that of ``encoder``.
        path_dropout: Probability of skipping the encoder's last block in training; it rises linearly
            from 0.
        pretrained: State dict of the encoder as torchvision names its weights; read when a training
            starts, and not needed afterwards.
        freeze_encoder: Whether only the decoder is trained, as on a ``pretrained`` encoder.

    Raises:
        ConfigError: A parameter that cannot work.
    """
    filters = check_decoder_filters(filters)
    kernels = _check_kernels(kernel_sizes)
    design = BlockDesign(
        spatial_dims, activation, normalisation, check_fraction(dropout, "dropout"), 1, residual=False
    )
    look_up(SCALINGS, encoder, f"{PARAMS_KEY}.encoder")
    made = build_encoder(
        encoder,
        spatial_dims=spatial_dims,
        in_channels=in_channels,
        pretrained=pretrained,
        width=width,
        depth=depth,
        path_dropout=path_dropout,
        top=False,
    )
    stage = partial(MultiScaleAttentionStage, design, kernels)
    return unet_of(
        made, stage, spatial_dims, in_channels, out_channels, filters, freeze_encoder=freeze_encoder
    )


def _check_kernels(kernel_sizes: Sequence[int]) -> tuple[int, ...]:
    listed = isinstance(kernel_sizes, Sequence) and not isinstance(kernel_sizes, str)
    if not listed or not kernel_sizes or not all(_is_odd(side) for side in kernel_sizes):
        raise ConfigError(
            "kernel_sizes must list the sides of the parallel kernels",
            where=f"{PARAMS_KEY}.kernel_sizes",
            got=kernel_sizes,
            expected="odd positive whole numbers, such as [1, 3, 5]",
        )
    return tuple(kernel_sizes)


def _is_odd(side: object) -> bool:
    return isinstance(side, int) and side > 0 and side % 2 == 1


ARCHITECTURE = Architecture(build_multiscale_attention_unet, constant_multiple(STRIDE))
