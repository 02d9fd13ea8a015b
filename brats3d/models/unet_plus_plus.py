"""UNet++ (Zhou et al. 2018): a U-Net whose skip connections are U-Nets themselves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.jit import is_scripting

from brats3d.models.architecture import Architecture, check_filters, check_fraction
from brats3d.models.blocks import BlockDesign
from brats3d.models.encoder_decoder import POOLINGS, multiple_of_halvings
from brats3d.models.layers import convolution, initialise_he, transposed_convolution
from brats3d.models.sides import check_sides


class NestedStage(nn.Module):
    """One node: the coarser node up-sampled, all earlier nodes of its own level, and a block on both."""

    def __init__(self, design: BlockDesign, coarse: int, own: int, earlier: int) -> None:
        """Make a node of ``own`` channels behind ``earlier`` nodes of its level."""
        super().__init__()
        dims = design.spatial_dims
        self.up = transposed_convolution(dims, coarse, own, (2,) * dims)
        self.block = design.block((earlier + 1) * own, own, (3,) * dims, (1,) * dims)

    def forward(self, coarse: Tensor, earlier: list[Tensor]) -> Tensor:
        """Merge ``(B, coarse, *S / 2)`` with the nodes ``(B, own, *S)`` before this one."""
        parts = [self.up(coarse)]
        parts.extend(earlier)
        return self.block(torch.cat(parts, dim=1))


class NestedColumn(nn.Module):
    """One further node on each level but the coarsest."""

    def __init__(self, stages: Sequence[NestedStage]) -> None:
        """Take the nodes, finest level first."""
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, nodes: list[list[Tensor]]) -> list[list[Tensor]]:
        """Add the nodes of this column to those of each level, finest level first."""
        for level, stage in enumerate(self.stages):
            # In this order the next coarser level still ends with the column before.
            nodes[level].append(stage(nodes[level + 1][-1], nodes[level]))
        return nodes


class UNetPlusPlus(nn.Module):
    """Encoder, and columns of nodes: node ``j`` of a level sees node ``j - 1`` of the next coarser one.

    Input ``(B, in_channels, *S)``, output logits ``(B, out_channels, *S)``. With deep supervision and in
    training mode the output is a list of the logits of all nodes at full resolution, last one first.
    """

    def __init__(
        self,
        design: BlockDesign,
        in_channels: int,
        out_channels: int,
        filters: Sequence[int],
        *,
        deep_supervision: bool,
    ) -> None:
        """Build the network; ``filters`` are the channels per level, finest first."""
        super().__init__()
        dims = design.spatial_dims
        one, three = (1,) * dims, (3,) * dims
        levels = len(filters)
        self.multiple = [2 ** (levels - 1)] * dims
        self.encoder = nn.ModuleList([design.block(in_channels, filters[0], three, one)])
        for level in range(1, levels):
            block = design.block(filters[level - 1], filters[level], three, one)
            self.encoder.append(nn.Sequential(POOLINGS[dims](2), block))
        self.columns = nn.ModuleList()
        for column in range(1, levels):
            nodes = [
                NestedStage(design, filters[level + 1], filters[level], column)
                for level in range(levels - column)
            ]
            self.columns.append(NestedColumn(nodes))
        initialise_he(self)
        heads = levels - 1 if deep_supervision else 1
        self.heads = nn.ModuleList(
            [convolution(dims, filters[0], out_channels, one, one, bias=True) for _ in range(heads)]
        )

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Return the logits.

        Raises:
            ConfigError: A side of ``x`` is not divisible by the stride of the network.
        """
        if not is_scripting():
            check_sides(x, self.multiple)
        nodes: list[list[Tensor]] = []
        for stage in self.encoder:
            x = stage(x)
            nodes.append([x])
        for column in self.columns:
            nodes = column(nodes)
        logits: list[Tensor] = []
        for place, head in enumerate(self.heads):
            if place == 0 or self.training:
                logits.append(head(nodes[0][-1 - place]))
        if len(logits) > 1:
            return logits
        return logits[0]


def build_unet_plus_plus(
    *,
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    activation: str = "relu",
    normalisation: str = "instance",
    dropout: float = 0.0,
    deep_supervision: bool = False,
) -> nn.Module:
    """Build a U-Net with nested, dense skip connections.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        filters: Channels per level, finest first; each level halves the sides.
        activation: ``relu``, ``prelu`` or ``leakyrelu``.
        normalisation: ``instance``, ``batch`` or ``none``.
        dropout: Probability of dropping a channel after each convolution.
        deep_supervision: Whether all nodes at full resolution are supervised in training.

    Raises:
        ConfigError: A parameter that cannot work.
    """
    design = BlockDesign(
        spatial_dims, activation, normalisation, check_fraction(dropout, "dropout"), 2, residual=False
    )
    return UNetPlusPlus(
        design, in_channels, out_channels, check_filters(filters), deep_supervision=deep_supervision
    )


ARCHITECTURE = Architecture(build_unet_plus_plus, multiple_of_halvings)
