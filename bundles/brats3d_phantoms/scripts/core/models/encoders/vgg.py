# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""VGG with 19 layers (Simonyan and Zisserman 2015), with or without batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from scripts.core.errors import ConfigError
from scripts.core.models.architecture import PARAMS_KEY, check_filters
from scripts.core.models.encoders.encoder import (
    Encoder,
    SequentialEncoder,
    batch_norm,
    check_encoder_shape,
    initialise_by_outputs,
    plain_convolution,
)

CONVOLUTIONS = (2, 2, 4, 4, 4)
FILTERS = (64, 128, 256, 512, 512)


class VGG(SequentialEncoder):
    """Stages of 3x3 convolutions with a maximum pooling between them; five levels, strides 1 to 16."""

    def __init__(
        self, spatial_dims: int, in_channels: int, filters: Sequence[int], *, normalised: bool
    ) -> None:
        """Stack the stages.

        Args:
            spatial_dims: 2 or 3.
            in_channels: Channels of the image.
            filters: Channels of the five stages.
            normalised: Whether batch normalisation follows each convolution.
        """
        pooling = nn.MaxPool3d if spatial_dims == 3 else nn.MaxPool2d
        layers: list[nn.Module] = []
        ends: list[int] = []
        inputs = in_channels
        for count, outputs in zip(CONVOLUTIONS, filters, strict=True):
            if layers:
                layers.append(pooling(2))
            for _ in range(count):
                layers.append(plain_convolution(spatial_dims, inputs, outputs, 3, bias=True))
                if normalised:
                    layers.append(batch_norm(spatial_dims, outputs))
                layers.append(nn.ReLU(inplace=True))
                inputs = outputs
            ends.append(len(layers) - 1)
        super().__init__(
            layers, ends, filters, 1, first_convolution="features.0.weight", left_out=["classifier."]
        )
        initialise_by_outputs(self)


def build_vgg19(
    *, spatial_dims: int = 2, in_channels: int = 3, filters: Sequence[int] = FILTERS, normalised: bool = False
) -> Encoder:
    """Build the encoder of VGG19, whose last level has stride 16 (the last pooling is left out).

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        filters: Channels of the five levels, finest first; published weights fit the default only.
        normalised: Whether batch normalisation follows each convolution (``vgg19_bn``).

    Raises:
        ConfigError: A number that cannot work.
    """
    check_encoder_shape(spatial_dims, in_channels)
    filters = check_filters(filters, len(CONVOLUTIONS))
    if len(filters) != len(CONVOLUTIONS):
        raise ConfigError(
            "filters must list the channels of the five stages of VGG19",
            where=f"{PARAMS_KEY}.filters",
            got=list(filters),
            expected=f"{len(CONVOLUTIONS)} numbers, such as {list(FILTERS)}",
        )
    return VGG(spatial_dims, in_channels, filters, normalised=normalised)
