# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Residual network with 50 layers (He et al. 2016), with the stride in the 3x3 convolutions."""

from __future__ import annotations

from torch import Tensor, nn

from scripts.core.errors import ConfigError
from scripts.core.models.architecture import PARAMS_KEY
from scripts.core.models.encoders.encoder import (
    Encoder,
    batch_norm,
    check_encoder_shape,
    initialise_by_outputs,
    plain_convolution,
)

BLOCKS = (3, 4, 6, 3)
EXPANSION = 4


class Bottleneck(nn.Module):
    """Convolutions 1x1, 3x3, 1x1 beside a shortcut: ``(B, inputs, *S)`` to ``(B, 4 width, *S / stride)``."""

    def __init__(self, spatial_dims: int, inputs: int, width: int, stride: int) -> None:
        """Make the three convolutions, and a projection where the shapes differ."""
        super().__init__()
        outputs = EXPANSION * width
        self.conv1 = plain_convolution(spatial_dims, inputs, width, 1)
        self.bn1 = batch_norm(spatial_dims, width)
        self.conv2 = plain_convolution(spatial_dims, width, width, 3, stride)
        self.bn2 = batch_norm(spatial_dims, width)
        self.conv3 = plain_convolution(spatial_dims, width, outputs, 1)
        self.bn3 = batch_norm(spatial_dims, outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                plain_convolution(spatial_dims, inputs, outputs, 1, stride), batch_norm(spatial_dims, outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated sum of both paths."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet(Encoder):
    """Five levels of strides 2 to 32: the stem, and four stages of bottleneck blocks."""

    def __init__(self, spatial_dims: int, in_channels: int, width: int) -> None:
        """Stack the stages.

        Args:
            spatial_dims: 2 or 3.
            in_channels: Channels of the image.
            width: Channels of the stem.
        """
        outputs = [EXPANSION * width * 2**stage for stage in range(len(BLOCKS))]
        super().__init__([width, *outputs], 2, first_convolution="conv1.weight", left_out=["fc."])
        pooling = nn.MaxPool3d if spatial_dims == 3 else nn.MaxPool2d
        self.conv1 = plain_convolution(spatial_dims, in_channels, width, 7, 2)
        self.bn1 = batch_norm(spatial_dims, width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = pooling(3, 2, 1)
        self.layer1 = _stage(spatial_dims, width, outputs[0], BLOCKS[0], stride=1)
        self.layer2 = _stage(spatial_dims, outputs[0], outputs[1], BLOCKS[1], stride=2)
        self.layer3 = _stage(spatial_dims, outputs[1], outputs[2], BLOCKS[2], stride=2)
        self.layer4 = _stage(spatial_dims, outputs[2], outputs[3], BLOCKS[3], stride=2)
        initialise_by_outputs(self)

    def levels(self, x: Tensor) -> list[Tensor]:
        """Return the feature maps of the stem and of the four stages."""
        stem = self.relu(self.bn1(self.conv1(x)))
        first = self.layer1(self.maxpool(stem))
        second = self.layer2(first)
        third = self.layer3(second)
        return [stem, first, second, third, self.layer4(third)]


def _stage(spatial_dims: int, inputs: int, outputs: int, count: int, *, stride: int) -> nn.Sequential:
    """Make ``count`` blocks, of which the first strides."""
    width = outputs // EXPANSION
    first = Bottleneck(spatial_dims, inputs, width, stride)
    return nn.Sequential(first, *(Bottleneck(spatial_dims, outputs, width, 1) for _ in range(count - 1)))


def build_resnet50(*, spatial_dims: int = 2, in_channels: int = 3, width: int = 64) -> Encoder:
    """Build the encoder of ResNet50, for U-Nets and, with what it returns, for classifiers.

    Its ``forward`` gives the last feature map ``(B, 32 width, *S / 32)``, 2048 channels by default.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        width: Channels of the stem; published weights fit the default only.

    Raises:
        ConfigError: A number that cannot work.
    """
    check_encoder_shape(spatial_dims, in_channels)
    if width < 1:
        raise ConfigError(
            "width must be positive", where=f"{PARAMS_KEY}.width", got=width, expected="1 or more"
        )
    return ResNet(spatial_dims, in_channels, width)
