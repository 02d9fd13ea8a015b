# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Two-path multi-scale network (Kamnitsas et al. 2017)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.jit import is_scripting
from torch.nn import functional

from scripts.core.errors import ConfigError
from scripts.core.models.architecture import PARAMS_KEY, Architecture, check_filters, check_fraction
from scripts.core.models.blocks import BlockDesign
from scripts.core.models.layers import activation_layer, convolution, dropout_layer, initialise_he
from scripts.core.models.sides import check_sides


class TwoPathNetwork(nn.Module):
    """Convolutions at full resolution beside the same on a coarser image, merged voxel by voxel.

    Input ``(B, in_channels, *S)``, output logits ``(B, out_channels, *S)``.
    """

    def __init__(
        self,
        design: BlockDesign,
        in_channels: int,
        out_channels: int,
        filters: Sequence[int],
        merging: Sequence[int],
        factor: int,
        dropout: float,
    ) -> None:
        """Build the network.

        Args:
            design: What all layers have in common.
            in_channels: Channels of the image.
            out_channels: Channels of the logits.
            filters: Channels after each convolution of a path.
            merging: Channels after each layer that merges the paths.
            factor: Down-sampling of the image for the second path.
            dropout: Probability of dropping a channel before each layer that merges, and the last one.
        """
        super().__init__()
        dims = design.spatial_dims
        one, three = (1,) * dims, (3,) * dims
        self.multiple = [factor] * dims
        self.scale = [float(factor)] * dims
        self.mode = "trilinear" if dims == 3 else "bilinear"
        self.coarsen = nn.AvgPool3d(factor) if dims == 3 else nn.AvgPool2d(factor)
        self.detail = _chain(design, [in_channels, *filters], three, 0.0)
        self.context = _chain(design, [in_channels, *filters], three, 0.0)
        self.merging = _chain(design, [2 * filters[-1], *merging], one, dropout)
        initialise_he(self)
        self.head = nn.Sequential(
            dropout_layer(dims, dropout), convolution(dims, merging[-1], out_channels, one, one, bias=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits.

        Raises:
            ConfigError: A side of ``x`` is not divisible by the down-sampling of the second path.
        """
        if not is_scripting():
            check_sides(x, self.multiple)
        detail = self.detail(x)
        context = functional.interpolate(
            self.context(self.coarsen(x)), scale_factor=self.scale, mode=self.mode
        )
        return self.head(self.merging(torch.cat([detail, context.to(detail.dtype)], dim=1)))


def _chain(
    design: BlockDesign, channels: Sequence[int], kernel: Sequence[int], dropout: float
) -> nn.Sequential:
    """Stack convolutions, each normalised and activated, with dropout before them."""
    dims = design.spatial_dims
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(channels):
        layers += [
            dropout_layer(dims, dropout),
            design.unit(inputs, outputs, kernel, (1,) * dims),
            activation_layer(design.activation),
        ]
    return nn.Sequential(*layers)


def build_two_path(
    *,
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    filters: Sequence[int] = (30, 30, 40, 40, 40, 40, 50, 50),
    merging: Sequence[int] = (150, 150),
    factor: int = 3,
    activation: str = "prelu",
    normalisation: str = "instance",
    dropout: float = 0.0,
) -> nn.Module:
    """Build a network that sees details and, down-sampled, their surroundings, without encoder and decoder.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        filters: Channels after each convolution of either path; each widens what a voxel sees by two
            voxels at full resolution, and by ``2 * factor`` in the path of the surroundings.
        merging: Channels after each layer that merges the paths voxel by voxel.
        factor: Down-sampling of the image for the path of the surroundings.
        activation: ``relu``, ``prelu`` or ``leakyrelu``.
        normalisation: ``instance``, ``batch`` or ``none``.
        dropout: Probability of dropping a channel before each layer that merges, and before the last one.

    Raises:
        ConfigError: A parameter that cannot work.
    """
    filters = check_filters(filters)
    if not merging or not all(isinstance(count, int) and count > 0 for count in merging):
        raise ConfigError(
            "merging must list the channels of the layers that merge the paths",
            where=f"{PARAMS_KEY}.merging",
            got=merging,
            expected="at least one positive whole number, such as [150, 150]",
        )
    if not isinstance(factor, int) or factor < 2:
        raise ConfigError(
            "the second path needs a coarser image",
            where=f"{PARAMS_KEY}.factor",
            got=factor,
            expected="a whole number from 2",
        )
    design = BlockDesign(spatial_dims, activation, normalisation, 0.0, 1, residual=False)
    share = check_fraction(dropout, "dropout")
    return TwoPathNetwork(design, in_channels, out_channels, filters, merging, factor, share)


def _patch_multiple(params: Mapping[str, Any], spatial_dims: int) -> tuple[int, ...]:
    return (params["factor"],) * spatial_dims


ARCHITECTURE = Architecture(build_two_path, _patch_multiple, encoder=("detail", "context"))
