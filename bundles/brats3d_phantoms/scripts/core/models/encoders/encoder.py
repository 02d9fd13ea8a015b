# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""What every encoder offers, and the layers they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from scripts.core.errors import ConfigError


class Encoder(nn.Module, ABC):
    """Image classifier without its classifier: an image becomes feature maps of halving resolution.

    Names and shapes of the weights are torchvision's (in two dimensions), so that its state dicts fit.

    Attributes:
        channels: Channels of each level, finest first.
        strides: Pixels of the image per cell of each level.
        first_convolution: Name of the weight that meets the image.
        left_out: Beginnings of torchvision's names that this encoder has no use for.
    """

    def __init__(
        self, channels: Sequence[int], finest_stride: int, *, first_convolution: str, left_out: Sequence[str]
    ) -> None:
        """Keep what is said about the levels, each of which has half the resolution of the one before."""
        super().__init__()
        self.channels = tuple(channels)
        self.strides = tuple(finest_stride * 2**level for level in range(len(self.channels)))
        self.first_convolution = first_convolution
        self.left_out = tuple(left_out)

    @abstractmethod
    def levels(self, x: Tensor) -> list[Tensor]:
        """Return the feature maps of an image ``(B, C, *S)``: ``(B, channels[i], *S / strides[i])``."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the last feature map, ``(B, channels[-1], *S / strides[-1])``."""
        return self.levels(x)[-1]


class SequentialEncoder(Encoder):
    """Encoder that is one sequence of layers.

    Attributes:
        features: The layers.
        ends: Numbers of the layers that give the levels.
    """

    def __init__(
        self,
        layers: Sequence[nn.Module],
        ends: Sequence[int],
        channels: Sequence[int],
        finest_stride: int,
        *,
        first_convolution: str,
        left_out: Sequence[str],
    ) -> None:
        """Put the layers in a row."""
        super().__init__(channels, finest_stride, first_convolution=first_convolution, left_out=left_out)
        self.features = nn.Sequential(*layers)
        self.ends = list(ends)

    def levels(self, x: Tensor) -> list[Tensor]:
        """Return what leaves the layers of the levels."""
        found: list[Tensor] = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.ends:
                found.append(x)
        return found


def plain_convolution(
    spatial_dims: int,
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    *,
    groups: int = 1,
    bias: bool = False,
) -> nn.Module:
    """Make a convolution with the same odd kernel and stride along all axes, padded to keep the size."""
    kind = nn.Conv3d if spatial_dims == 3 else nn.Conv2d
    layer: nn.Module = kind(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)
    return layer


def batch_norm(
    spatial_dims: int, channels: int, *, epsilon: float = 1e-5, momentum: float = 0.1
) -> nn.Module:
    """Make a batch normalisation."""
    kind = nn.BatchNorm3d if spatial_dims == 3 else nn.BatchNorm2d
    layer: nn.Module = kind(channels, eps=epsilon, momentum=momentum)
    return layer


def initialise_by_outputs(network: nn.Module) -> None:
    """Draw convolution weights after He et al. 2015 by what leaves a layer; biases start at 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def check_encoder_shape(spatial_dims: int, in_channels: int) -> None:
    """Check what an encoder is built for.

    Raises:
        ConfigError: Neither two nor three axes, or no channel.
    """
    if spatial_dims not in (2, 3):
        raise ConfigError("encoders have two or three spatial axes", got=spatial_dims, expected="2 or 3")
    if in_channels < 1:
        raise ConfigError("an image has channels", got=in_channels, expected="1 or more")
