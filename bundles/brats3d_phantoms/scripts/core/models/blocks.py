# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Building blocks of the U-Nets: convolution blocks, residual blocks, attention gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from scripts.core.models.architecture import PARAMS_KEY
from scripts.core.models.layers import (
    activation_layer,
    convolution,
    dropout_layer,
    normalisation_layer,
    transposed_convolution,
)
from scripts.core.registry import look_up


@dataclass(frozen=True)
class BlockDesign:
    """What all blocks of one network have in common.

    Attributes:
        spatial_dims: 2 or 3.
        activation: ``relu``, ``prelu`` or ``leakyrelu``.
        normalisation: ``instance``, ``batch`` or ``none``.
        dropout: Probability of dropping a channel after a convolution.
        convolutions: Convolutions per block.
        residual: Whether a block adds its input to its output.
    """

    spatial_dims: int
    activation: str
    normalisation: str
    dropout: float
    convolutions: int
    residual: bool

    def unit(self, inputs: int, outputs: int, kernel: Sequence[int], stride: Sequence[int]) -> nn.Sequential:
        """Make convolution, dropout and normalisation, without activation."""
        bias = self.normalisation == "none"  # a normalisation removes any bias before it
        return nn.Sequential(
            convolution(self.spatial_dims, inputs, outputs, kernel, stride, bias=bias),
            dropout_layer(self.spatial_dims, self.dropout),
            normalisation_layer(self.normalisation, self.spatial_dims, outputs),
        )

    def block(self, inputs: int, outputs: int, kernel: Sequence[int], stride: Sequence[int]) -> nn.Module:
        """Make a plain or residual block that changes resolution by ``stride``."""
        kind = ResidualBlock if self.residual else PlainBlock
        return kind(self, inputs, outputs, kernel, stride)


def _units(
    design: BlockDesign, inputs: int, outputs: int, kernel: Sequence[int], stride: Sequence[int]
) -> list[nn.Module]:
    """Alternate units and activations; the first unit strides, no activation follows the last."""
    unit_stride = (1,) * design.spatial_dims
    layers: list[nn.Module] = [design.unit(inputs, outputs, kernel, stride)]
    for _ in range(design.convolutions - 1):
        layers += [activation_layer(design.activation), design.unit(outputs, outputs, kernel, unit_stride)]
    return layers


class PlainBlock(nn.Sequential):
    """Convolution, normalisation and activation, repeated."""

    def __init__(
        self, design: BlockDesign, inputs: int, outputs: int, kernel: Sequence[int], stride: Sequence[int]
    ) -> None:
        """Stack the units; the first one strides."""
        layers = _units(design, inputs, outputs, kernel, stride)
        super().__init__(*layers, activation_layer(design.activation))


class ResidualBlock(nn.Module):
    """Block with a shortcut around its convolutions (He et al. 2016).

    The shortcut is the identity where shapes agree, otherwise a projection.
    """

    def __init__(
        self, design: BlockDesign, inputs: int, outputs: int, kernel: Sequence[int], stride: Sequence[int]
    ) -> None:
        """Stack the units beside the shortcut; the first unit strides."""
        super().__init__()
        self.body = nn.Sequential(*_units(design, inputs, outputs, kernel, stride))
        one = (1,) * design.spatial_dims
        same = inputs == outputs and tuple(stride) == one
        self.shortcut = nn.Identity() if same else design.unit(inputs, outputs, one, stride)
        self.activation = activation_layer(design.activation)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated sum, ``(B, outputs, *S / stride)``."""
        return self.activation(self.body(x) + self.shortcut(x))


class AttentionGate(nn.Module):
    """Additive attention gate on a skip connection (Oktay et al. 2018, grid attention).

    The gate is computed on the coarse grid of the gating signal and interpolated linearly.
    """

    def __init__(self, design: BlockDesign, skip: int, gating: int, stride: Sequence[int]) -> None:
        """Make the three projections; half of the skip's channels lie between them."""
        super().__init__()
        dims = design.spatial_dims
        one = (1,) * dims
        inner = max(1, skip // 2)
        kind = nn.Conv3d if dims == 3 else nn.Conv2d
        self.scale = [float(step) for step in stride]
        self.mode = "trilinear" if dims == 3 else "bilinear"
        self.of_skip = kind(skip, inner, tuple(stride), tuple(stride), bias=False)  # type: ignore[arg-type]
        self.of_gating = convolution(dims, gating, inner, one, one, bias=True)
        self.score = convolution(dims, inner, 1, one, one, bias=True)

    def forward(self, skip: Tensor, gating: Tensor) -> Tensor:
        """Return ``skip`` ``(B, C, *S)`` weighted by the gate of ``gating`` ``(B, G, *S / stride)``."""
        score = self.score(functional.relu(self.of_skip(skip) + self.of_gating(gating)))
        gate = functional.interpolate(torch.sigmoid(score), scale_factor=self.scale, mode=self.mode)
        return skip * gate.to(skip.dtype)  # interpolation leaves reduced precision under autocast


def _transposed(design: BlockDesign, inputs: int, outputs: int, stride: Sequence[int]) -> nn.Module:
    return transposed_convolution(design.spatial_dims, inputs, outputs, stride)


def _repeated(design: BlockDesign, inputs: int, outputs: int, stride: Sequence[int]) -> nn.Module:
    """Repeat values, then convolve with a kernel as large as the stride; zeros are added at the far ends."""
    dims = design.spatial_dims
    kind = nn.ConstantPad3d if dims == 3 else nn.ConstantPad2d
    ends = [side for step in reversed(stride) for side in (0, step - 1)]  # the last axis comes first
    return nn.Sequential(
        nn.Upsample(scale_factor=tuple(float(step) for step in stride), mode="nearest"),
        kind(tuple(ends), 0.0),  # type: ignore[arg-type]  # as many as the axes have ends
        design.unit(inputs, outputs, stride, (1,) * dims),
        activation_layer(design.activation),
    )


Upsampling = Callable[[BlockDesign, int, int, Sequence[int]], nn.Module]
UPSAMPLINGS: Mapping[str, Upsampling] = MappingProxyType({"transposed": _transposed, "nearest": _repeated})


class UpStage(nn.Module):
    """One decoder level: up-sampling, optional attention gate, concatenation, block."""

    def __init__(
        self,
        design: BlockDesign,
        inputs: int,
        outputs: int,
        kernel: Sequence[int],
        stride: Sequence[int],
        *,
        upsampling: str = "transposed",
        attention: bool,
    ) -> None:
        """Make a stage from ``inputs`` coarse channels to ``outputs`` channels like its skip."""
        super().__init__()
        self.up = look_up(UPSAMPLINGS, upsampling, f"{PARAMS_KEY}.upsampling")(
            design, inputs, outputs, stride
        )
        self.gate = AttentionGate(design, outputs, inputs, stride) if attention else None
        self.block = design.block(2 * outputs, outputs, kernel, (1,) * design.spatial_dims)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Merge coarse features ``(B, inputs, *S / stride)`` with their skip ``(B, outputs, *S)``."""
        if self.gate is not None:
            skip = self.gate(skip, x)
        return self.block(torch.cat([self.up(x), skip], dim=1))
