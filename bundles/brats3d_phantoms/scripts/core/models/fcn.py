# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Fully convolutional network (Long et al. 2015): an encoder, and one up-sampling step to full size."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.jit import is_scripting
from torch.nn import functional

from scripts.core.models.architecture import Architecture, check_filters, check_fraction
from scripts.core.models.blocks import BlockDesign
from scripts.core.models.encoder_decoder import POOLINGS, multiple_of_halvings
from scripts.core.models.layers import convolution, initialise_he
from scripts.core.models.sides import check_sides


class FullyConvolutionalNetwork(nn.Module):
    """Blocks and poolings, a linear head at the coarsest level, and its logits interpolated linearly.

    Input ``(B, in_channels, *S)``, output logits ``(B, out_channels, *S)``.
    """

    def __init__(
        self, design: BlockDesign, in_channels: int, out_channels: int, filters: Sequence[int]
    ) -> None:
        """Build the network; ``filters`` are the channels per level, finest first."""
        super().__init__()
        dims = design.spatial_dims
        one, three = (1,) * dims, (3,) * dims
        step = 2 ** (len(filters) - 1)
        self.multiple = [step] * dims
        self.scale = [float(step)] * dims
        self.mode = "trilinear" if dims == 3 else "bilinear"
        layers: list[nn.Module] = [design.block(in_channels, filters[0], three, one)]
        for level, count in enumerate(filters[1:]):
            layers += [POOLINGS[dims](2), design.block(filters[level], count, three, one)]
        self.encoder = nn.Sequential(*layers)
        initialise_he(self)
        self.head = convolution(dims, filters[-1], out_channels, one, one, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits.

        Raises:
            ConfigError: A side of ``x`` is not divisible by the stride of the network.
        """
        if not is_scripting():
            check_sides(x, self.multiple)
        coarse = self.head(self.encoder(x))
        logits = functional.interpolate(coarse, scale_factor=self.scale, mode=self.mode)
        return logits.to(coarse.dtype)  # interpolation leaves reduced precision under autocast


def build_fcn(
    *,
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    filters: Sequence[int] = (32, 64, 128, 256),
    activation: str = "relu",
    normalisation: str = "instance",
    dropout: float = 0.0,
) -> nn.Module:
    """Build an encoder without decoder: its coarsest logits are interpolated to full size.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        filters: Channels per level, finest first; each level halves the sides.
        activation: ``relu``, ``prelu`` or ``leakyrelu``.
        normalisation: ``instance``, ``batch`` or ``none``.
        dropout: Probability of dropping a channel after each convolution.

    Raises:
        ConfigError: A parameter that cannot work.
    """
    design = BlockDesign(
        spatial_dims, activation, normalisation, check_fraction(dropout, "dropout"), 2, residual=False
    )
    return FullyConvolutionalNetwork(design, in_channels, out_channels, check_filters(filters))


ARCHITECTURE = Architecture(build_fcn, multiple_of_halvings)
