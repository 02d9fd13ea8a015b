# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Layers that the networks share: convolution by dimension, normalisation, activation, dropout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import nn

from scripts.core.models.architecture import PARAMS_KEY
from scripts.core.registry import look_up

LEAKY_SLOPE = 0.01


def _instance_norm(spatial_dims: int, channels: int) -> nn.Module:
    kind = nn.InstanceNorm3d if spatial_dims == 3 else nn.InstanceNorm2d
    return kind(channels, affine=True)


def _batch_norm(spatial_dims: int, channels: int) -> nn.Module:
    return nn.BatchNorm3d(channels) if spatial_dims == 3 else nn.BatchNorm2d(channels)


NORMALISATIONS: Mapping[str, Callable[[int, int], nn.Module]] = MappingProxyType(
    {
        "instance": _instance_norm,
        "batch": _batch_norm,
        "none": lambda spatial_dims, channels: nn.Identity(),
    }
)

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {
        "relu": lambda: nn.ReLU(inplace=True),
        "prelu": lambda: nn.PReLU(),
        "leakyrelu": lambda: nn.LeakyReLU(LEAKY_SLOPE, inplace=True),
    }
)


# The same layers as MONAI's networks want them described.
MONAI_NORMALISATIONS: Mapping[str, Any] = MappingProxyType(
    {"instance": ("INSTANCE", {"affine": True}), "batch": ("BATCH", {}), "none": ""}
)
MONAI_ACTIVATIONS: Mapping[str, Any] = MappingProxyType(
    {
        "relu": ("RELU", {"inplace": True}),
        "prelu": ("PRELU", {}),
        "leakyrelu": ("LEAKYRELU", {"negative_slope": LEAKY_SLOPE, "inplace": True}),
    }
)


def normalisation_layer(name: str, spatial_dims: int, channels: int) -> nn.Module:
    """Make a normalisation layer.

    Raises:
        ConfigError: ``name`` is not in :data:`NORMALISATIONS`.
    """
    return look_up(NORMALISATIONS, name, f"{PARAMS_KEY}.normalisation")(spatial_dims, channels)


def activation_layer(name: str) -> nn.Module:
    """Make an activation layer.

    Raises:
        ConfigError: ``name`` is not in :data:`ACTIVATIONS`.
    """
    return look_up(ACTIVATIONS, name, f"{PARAMS_KEY}.activation")()


def dropout_layer(spatial_dims: int, probability: float) -> nn.Module:
    """Make a dropout of whole channels (Tompson et al. 2015), or nothing for probability 0."""
    if probability == 0:
        return nn.Identity()
    return nn.Dropout3d(probability) if spatial_dims == 3 else nn.Dropout2d(probability)


def convolution(
    spatial_dims: int,
    inputs: int,
    outputs: int,
    kernel: Sequence[int],
    stride: Sequence[int],
    *,
    bias: bool,
) -> nn.Module:
    """Make a convolution that keeps the size apart from ``stride`` (odd kernels)."""
    kind = nn.Conv3d if spatial_dims == 3 else nn.Conv2d
    padding = tuple((side - 1) // 2 for side in kernel)
    layer: nn.Module = kind(inputs, outputs, tuple(kernel), tuple(stride), padding, bias=bias)  # type: ignore[arg-type]
    return layer


def transposed_convolution(spatial_dims: int, inputs: int, outputs: int, stride: Sequence[int]) -> nn.Module:
    """Make an up-sampling by ``stride`` whose kernel does not overlap itself."""
    kind = nn.ConvTranspose3d if spatial_dims == 3 else nn.ConvTranspose2d
    layer: nn.Module = kind(inputs, outputs, tuple(stride), tuple(stride))  # type: ignore[arg-type]
    return layer


def initialise_he(network: nn.Module) -> None:
    """Draw convolution weights after He et al. 2015 for a leaky ReLU; biases start at 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(module.weight, a=LEAKY_SLOPE)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
