# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""EfficientNet B0 to B7 (Tan and Le 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from scripts.core.errors import ConfigError
from scripts.core.models.architecture import PARAMS_KEY, check_fraction
from scripts.core.models.encoders.efficientnet_sizes import SCALINGS, STAGES, STEM, Scaling, Stage
from scripts.core.models.encoders.encoder import (
    Encoder,
    SequentialEncoder,
    batch_norm,
    check_encoder_shape,
    initialise_by_outputs,
    plain_convolution,
)
from scripts.core.registry import look_up

_FINEST = (1, 2, 3, 5)  # entries of `features` after which the resolution halves
_TOP = len(STAGES) + 1


@dataclass(frozen=True)
class _Layers:
    """Layers of one network."""

    spatial_dims: int
    scaling: Scaling

    def unit(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1, active: bool = True
    ) -> nn.Sequential:
        """Make convolution, batch normalisation and, if ``active``, SiLU."""
        scaling = self.scaling
        layers = [
            plain_convolution(self.spatial_dims, inputs, outputs, kernel, stride, groups=groups),
            batch_norm(self.spatial_dims, outputs, epsilon=scaling.epsilon, momentum=scaling.momentum),
        ]
        return nn.Sequential(*layers, nn.SiLU(inplace=True)) if active else nn.Sequential(*layers)


class SqueezeExcitation(nn.Module):
    """Weights for channels from their means (Hu et al. 2018)."""

    def __init__(self, spatial_dims: int, channels: int, squeezed: int) -> None:
        """Make the two projections."""
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool3d(1) if spatial_dims == 3 else nn.AdaptiveAvgPool2d(1)
        self.fc1 = plain_convolution(spatial_dims, channels, squeezed, 1, bias=True)
        self.fc2 = plain_convolution(spatial_dims, squeezed, channels, 1, bias=True)
        self.activation = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` ``(B, channels, *S)`` with its channels weighted by 0 to 1."""
        return x * torch.sigmoid(self.fc2(self.activation(self.fc1(self.avgpool(x)))))


class StochasticDepth(nn.Module):
    """Zero for some samples while training, the others enlarged to make up for it (Huang et al. 2016)."""

    def __init__(self, probability: float) -> None:
        """Keep the probability of a zero."""
        super().__init__()
        self.kept = 1.0 - probability

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` ``(B, C, *S)``, while training times 0 or ``1 / kept`` for each sample."""
        if not self.training or self.kept == 1.0:
            return x
        drawn = torch.rand([x.shape[0]] + [1] * (x.ndim - 1), device=x.device) < self.kept
        return x * (drawn.to(x.dtype) / self.kept)


class InvertedBottleneck(nn.Module):
    """Expansion, depthwise convolution, squeeze and excitation, projection (Sandler et al. 2018)."""

    def __init__(
        self, layers: _Layers, inputs: int, outputs: int, kind: Stage, stride: int, dropped: float
    ) -> None:
        """Stack the layers; a shortcut goes around them where shapes agree."""
        super().__init__()
        inner = inputs * kind.expansion
        block: list[nn.Module] = [layers.unit(inputs, inner, 1)] if kind.expansion > 1 else []
        block += [
            layers.unit(inner, inner, kind.kernel, stride, groups=inner),
            SqueezeExcitation(layers.spatial_dims, inner, max(1, inputs // 4)),
            layers.unit(inner, outputs, 1, active=False),
        ]
        self.block = nn.Sequential(*block)
        self.shortcut = stride == 1 and inputs == outputs
        self.stochastic_depth = StochasticDepth(dropped)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, *S)`` to ``(B, outputs, *S / stride)``."""
        y = self.block(x)
        return self.stochastic_depth(y) + x if self.shortcut else y


class EfficientNet(SequentialEncoder):
    """Five levels of strides 2 to 32."""

    def __init__(
        self, spatial_dims: int, in_channels: int, scaling: Scaling, path_dropout: float, *, top: bool
    ) -> None:
        """Stack the stages; see :func:`build_efficientnet`."""
        layers = _Layers(spatial_dims, scaling)
        inputs = scaling.channels(STEM)
        features: list[nn.Module] = [layers.unit(in_channels, inputs, 3, 2)]
        total, position = sum(scaling.blocks(stage.blocks) for stage in STAGES), 0
        widths = [inputs]
        for stage in STAGES:
            outputs = scaling.channels(stage.outputs)
            blocks = []
            for index in range(scaling.blocks(stage.blocks)):
                dropped = path_dropout * position / total
                stride = 1 if index else stage.stride
                blocks.append(InvertedBottleneck(layers, inputs, outputs, stage, stride, dropped))
                inputs, position = outputs, position + 1
            features.append(nn.Sequential(*blocks))
            widths.append(outputs)
        if top:
            widths.append(4 * inputs)
            features.append(layers.unit(inputs, 4 * inputs, 1))
        ends = [*_FINEST, len(features) - 1]
        super().__init__(
            features,
            ends,
            [widths[end] for end in ends],
            2,
            first_convolution="features.0.0.weight",
            left_out=["classifier."] if top else ["classifier.", f"features.{_TOP}."],
        )
        initialise_by_outputs(self)


def build_efficientnet(
    name: str = "efficientnet_b0",
    *,
    spatial_dims: int = 2,
    in_channels: int = 3,
    width: float | None = None,
    depth: float | None = None,
    path_dropout: float = 0.2,
    top: bool = True,
) -> Encoder:
    """Build the encoder of an EfficientNet.

    Args:
        name: ``efficientnet_b0`` to ``efficientnet_b7``.
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        width: Factor of B0's channels (at least 8 are kept); None: that of ``name``, which published
            weights need.
        depth: Factor of B0's blocks per stage (at least one is kept); None: that of ``name``.
        path_dropout: Probability of skipping the last block in training; it rises linearly from 0.
        top: Whether the last feature map has the fourfold channels that the classifier sees (1280 of
            B0), or those of the last stage (320), as decoders want it.

    Raises:
        ConfigError: An unknown name, or a number that cannot work.
    """
    check_encoder_shape(spatial_dims, in_channels)
    scaling = look_up(SCALINGS, name, f"{PARAMS_KEY}.encoder")
    for factor, value in (("width", width), ("depth", depth)):
        if value is not None and not 0 < value < math.inf:
            raise ConfigError(
                f"{factor} must be positive",
                where=f"{PARAMS_KEY}.{factor}",
                got=value,
                expected="a factor of what B0 has, such as 0.5",
            )
    scaling = replace(scaling, width=width or scaling.width, depth=depth or scaling.depth)
    dropped = check_fraction(path_dropout, "path_dropout")
    return EfficientNet(spatial_dims, in_channels, scaling, dropped, top=top)
