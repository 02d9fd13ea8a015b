# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""U-Net whose encoder is that of an image classifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.jit import is_scripting

from scripts.core.models.blocks import BlockDesign
from scripts.core.models.encoders.encoder import Encoder
from scripts.core.models.layers import convolution, initialise_he, transposed_convolution
from scripts.core.models.sides import check_sides


class JoiningStage(nn.Module):
    """One decoder level: transposed convolution by 2, concatenation with the skip, convolution block."""

    def __init__(self, design: BlockDesign, inputs: int, skip: int, outputs: int) -> None:
        """Make a stage from ``inputs`` coarse channels and ``skip`` fine ones to ``outputs`` channels."""
        super().__init__()
        dims = design.spatial_dims
        self.up = transposed_convolution(dims, inputs, outputs, (2,) * dims)
        self.block = design.block(outputs + skip, outputs, (3,) * dims, (1,) * dims)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Merge coarse features ``(B, inputs, *S / 2)`` with their skip ``(B, skip, *S)``."""
        return self.block(torch.cat([self.up(x), skip], dim=1))


class EncoderUNet(nn.Module):
    """Encoder, and a decoder with a skip from each level.

    Where the finest level of the encoder has half the resolution of the image, the image itself is the
    finest skip. Input ``(B, in_channels, *S)``, output logits ``(B, out_channels, *S)``.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Sequence[nn.Module],
        head: nn.Module,
        spatial_dims: int,
        *,
        freeze_encoder: bool,
    ) -> None:
        """Put the parts together.

        Args:
            encoder: The encoder.
            decoder: Stages that take ``(features, skip)``, coarsest first.
            head: From the last stage to the logits.
            spatial_dims: 2 or 3.
            freeze_encoder: Whether a training leaves the encoder as it is, statistics included.
        """
        super().__init__()
        self.encoder = encoder.requires_grad_(not freeze_encoder)
        self.freeze_encoder = freeze_encoder
        self.decoder = nn.ModuleList(decoder)
        self.head = head
        self.multiple = [encoder.strides[-1]] * spatial_dims
        self.joins_image = encoder.strides[0] > 1
        self.train()

    def train(self, mode: bool = True) -> EncoderUNet:
        """Switch to training, or to inference; a frozen encoder stays in inference."""
        super().train(mode)
        if self.freeze_encoder:
            self.encoder.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits.

        Raises:
            ConfigError: A side of ``x`` is not divisible by the stride of the encoder.
        """
        if not is_scripting():
            check_sides(x, self.multiple)
        levels = self.encoder.levels(x)
        if self.joins_image:
            levels.insert(0, x)
        y = levels.pop()
        for stage in self.decoder:
            y = stage(y, levels.pop())
        return self.head(y)


def unet_of(
    encoder: Encoder,
    stage: Callable[[int, int, int], nn.Module],
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    filters: Sequence[int],
    *,
    freeze_encoder: bool,
) -> EncoderUNet:
    """Build a U-Net around an encoder.

    Args:
        encoder: The encoder.
        stage: Makes a stage of the decoder from the numbers of coarse, skipped and leaving channels.
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        filters: Channels of the decoder's levels, finest first.
        freeze_encoder: Whether a training leaves the encoder as it is.
    """
    going = filters[::-1]
    coming = (encoder.channels[-1], *going[:-1])
    skips = (() if encoder.strides[0] == 1 else (in_channels,)) + encoder.channels[:-1]
    decoder = [stage(*counts) for counts in zip(coming, skips[::-1], going, strict=True)]
    for made in decoder:
        initialise_he(made)
    one = (1,) * spatial_dims
    head = convolution(spatial_dims, filters[0], out_channels, one, one, bias=True)
    return EncoderUNet(encoder, decoder, head, spatial_dims, freeze_encoder=freeze_encoder)


def constant_multiple(stride: int) -> Callable[[Mapping[str, Any], int], tuple[int, ...]]:
    """Patch multiple of a network of one stride, whatever its parameters."""

    def multiple(params: Mapping[str, Any], spatial_dims: int) -> tuple[int, ...]:
        return (stride,) * spatial_dims

    return multiple
