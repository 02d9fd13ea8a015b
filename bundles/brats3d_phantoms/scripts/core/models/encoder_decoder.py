# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""The U-Net core that the plain, attention, residual and dynamic U-Nets share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn
from torch.jit import is_scripting

from scripts.core.models.architecture import PARAMS_KEY
from scripts.core.models.blocks import BlockDesign, UpStage
from scripts.core.models.layers import convolution, initialise_he
from scripts.core.models.sides import check_sides
from scripts.core.registry import look_up

POOLINGS: Mapping[int, type[nn.Module]] = MappingProxyType({2: nn.MaxPool2d, 3: nn.MaxPool3d})
DOWNSAMPLINGS: Mapping[str, bool] = MappingProxyType({"stride": False, "maxpool": True})


class EncoderDecoder(nn.Module):
    """U-Net: encoder, decoder with concatenated skips, one linear head per supervised level.

    Input ``(B, in_channels, *S)``, output logits ``(B, out_channels, *S)``. With deep supervision
    and in training mode the output is a list of logits, finest first, each at its own resolution.
    """

    def __init__(
        self,
        design: BlockDesign,
        in_channels: int,
        out_channels: int,
        filters: Sequence[int],
        strides: Sequence[Sequence[int]],
        kernels: Sequence[Sequence[int]],
        *,
        downsampling: str,
        upsampling: str = "transposed",
        attention: bool = False,
        deep_supervision: bool = False,
        level_dropout: Sequence[float] = (),
        bridge: nn.Module | None = None,
    ) -> None:
        """Build the network.

        Args:
            design: What all blocks have in common.
            in_channels: Channels of the image.
            out_channels: Channels of the logits.
            filters: Channels of each level, finest first.
            strides: Down-sampling per axis between neighbouring levels, one fewer than levels.
            kernels: Kernel sides of each level.
            downsampling: ``stride`` (strided convolution) or ``maxpool``.
            upsampling: ``transposed`` or ``nearest``, see :data:`~brats3d.models.blocks.UPSAMPLINGS`.
            attention: Whether skips pass an attention gate.
            deep_supervision: Whether all but the two coarsest levels have a head in training.
            level_dropout: Probability of dropping a value after the encoder's block of each level.
            bridge: What the coarsest features ``(B, filters[-1], *S)`` pass; it keeps their shape.

        Raises:
            ConfigError: Unknown down-sampling, up-sampling, normalisation or activation.
        """
        super().__init__()
        dims = design.spatial_dims
        pool = look_up(DOWNSAMPLINGS, downsampling, f"{PARAMS_KEY}.downsampling")
        one = (1,) * dims
        self.multiple = list(multiple_of(strides, dims))
        self.encoder = nn.ModuleList([design.block(in_channels, filters[0], kernels[0], one)])
        self.decoder = nn.ModuleList()
        for level, stride in enumerate(strides):
            fine, coarse = filters[level], filters[level + 1]
            block = design.block(fine, coarse, kernels[level + 1], one if pool else stride)
            stage = nn.Sequential(POOLINGS[dims](tuple(stride)), block) if pool else block
            self.encoder.append(stage)
            up = UpStage(
                design, coarse, fine, kernels[level], stride, upsampling=upsampling, attention=attention
            )
            self.decoder.insert(0, up)
        rates = level_dropout or (0.0,) * len(filters)
        self.dropouts = nn.ModuleList([nn.Dropout(rate) if rate else nn.Identity() for rate in rates])
        self.bridge = nn.Identity() if bridge is None else bridge
        heads = max(1, len(filters) - 2) if deep_supervision else 1
        initialise_he(self)
        self.heads = nn.ModuleList(
            [convolution(dims, count, out_channels, one, one, bias=True) for count in filters[:heads]]
        )

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Return the logits.

        Raises:
            ConfigError: A side of ``x`` is not divisible by the stride of the network.
        """
        if not is_scripting():
            check_sides(x, self.multiple)
        skips: list[Tensor] = []
        for stage, dropout in zip(self.encoder, self.dropouts, strict=True):
            x = dropout(stage(x))
            skips.append(x)
        x = self.bridge(skips.pop())
        supervised = self.training and len(self.heads) > 1
        features: list[Tensor] = []
        for stage in self.decoder:
            x = stage(x, skips.pop())
            if supervised:
                features.append(x)
        logits: list[Tensor] = []
        for level, head in enumerate(self.heads):
            if level == 0:
                logits.append(head(x))
            elif supervised:
                logits.append(head(features[-1 - level]))
        if supervised:
            return logits
        return logits[0]


def multiple_of(strides: Sequence[Sequence[int]], spatial_dims: int) -> tuple[int, ...]:
    """Product of the strides along each axis."""
    return tuple(math.prod(stride[axis] for stride in strides) for axis in range(spatial_dims))


def multiple_of_halvings(params: Mapping[str, Any], spatial_dims: int) -> tuple[int, ...]:
    """Patch multiple of a network that halves all axes between its ``filters``."""
    return (2 ** (len(params["filters"]) - 1),) * spatial_dims


def isotropic(side: int, spatial_dims: int, count: int) -> tuple[tuple[int, ...], ...]:
    """Return the same kernel or stride for all axes, ``count`` times."""
    return ((side,) * spatial_dims,) * count
