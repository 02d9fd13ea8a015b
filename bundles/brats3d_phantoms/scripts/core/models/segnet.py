# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""SegNet (Badrinarayanan et al. 2017)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.jit import is_scripting

from scripts.core.errors import ConfigError
from scripts.core.models.architecture import PARAMS_KEY, Architecture, check_filters, check_fraction
from scripts.core.models.blocks import BlockDesign
from scripts.core.models.layers import activation_layer, convolution, initialise_he
from scripts.core.models.sides import check_sides
from scripts.core.models.unpooling import max_pool_with_indices, max_unpool


class SegNet(nn.Module):
    """Encoder and mirrored decoder that share nothing but the places of the pooled maxima.

    Input ``(B, in_channels, *S)``, output logits ``(B, out_channels, *S)``.
    """

    def __init__(
        self,
        design: BlockDesign,
        in_channels: int,
        out_channels: int,
        filters: Sequence[int],
        convolutions: Sequence[int],
    ) -> None:
        """Build the network.

        Args:
            design: What all layers have in common.
            in_channels: Channels of the image.
            out_channels: Channels of the logits.
            filters: Channels per level, finest first; each level ends with a pooling.
            convolutions: Convolutions per level, in the encoder and again in the decoder.
        """
        super().__init__()
        dims = design.spatial_dims
        self.multiple = [2 ** len(filters)] * dims
        self.encoder = nn.ModuleList()
        self.decoder = nn.ModuleList()
        finer = (in_channels, *filters[:-1])
        for before, own, count in zip(finer, filters, convolutions, strict=True):
            self.encoder.append(_chain(design, [before, *[own] * count]))
            after = before if len(self.decoder) else own  # the finest level keeps its own for the head
            self.decoder.insert(0, _chain(design, [*[own] * count, after]))
        initialise_he(self)
        one = (1,) * dims
        self.head = convolution(dims, filters[0], out_channels, one, one, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits.

        Raises:
            ConfigError: A side of ``x`` is not divisible by the stride of the network.
        """
        if not is_scripting():
            check_sides(x, self.multiple)
        places: list[Tensor] = []
        for stage in self.encoder:
            x, indices = max_pool_with_indices(stage(x))
            places.append(indices)
        for stage in self.decoder:
            x = stage(max_unpool(x, places.pop()))
        return self.head(x)


def _chain(design: BlockDesign, channels: Sequence[int]) -> nn.Sequential:
    """Stack convolutions, each normalised and activated, from the first number of channels to the last."""
    three, one = (3,) * design.spatial_dims, (1,) * design.spatial_dims
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(channels):
        layers += [design.unit(inputs, outputs, three, one), activation_layer(design.activation)]
    return nn.Sequential(*layers)


def build_segnet(
    *,
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    filters: Sequence[int] = (32, 64, 128, 256),
    convolutions: Sequence[int] | None = None,
    activation: str = "relu",
    normalisation: str = "batch",
    dropout: float = 0.0,
) -> nn.Module:
    """Build a SegNet; ``[64, 128, 256, 512, 512]`` and ``[2, 2, 3, 3, 3]`` are those of its authors.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        filters: Channels per level, finest first; each level halves the sides.
        convolutions: Convolutions per level; 2 by default.
        activation: ``relu``, ``prelu`` or ``leakyrelu``.
        normalisation: ``instance``, ``batch`` or ``none``.
        dropout: Probability of dropping a channel after each convolution.

    Raises:
        ConfigError: A parameter that cannot work.
    """
    filters = check_filters(filters)
    convolutions = (2,) * len(filters) if convolutions is None else tuple(convolutions)
    if len(convolutions) != len(filters) or min(convolutions) < 1:
        raise ConfigError(
            "convolutions must have one number per level of filters",
            where=f"{PARAMS_KEY}.convolutions",
            got=convolutions,
            expected=f"{len(filters)} positive whole numbers",
        )
    design = BlockDesign(
        spatial_dims, activation, normalisation, check_fraction(dropout, "dropout"), 1, residual=False
    )
    return SegNet(design, in_channels, out_channels, filters, convolutions)


def _patch_multiple(params: Mapping[str, Any], spatial_dims: int) -> tuple[int, ...]:
    return (2 ** len(params["filters"]),) * spatial_dims


ARCHITECTURE = Architecture(build_segnet, _patch_multiple)
