# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""The plain U-Net of nnU-Net (Isensee et al. 2021), with kernels and strides per level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from scripts.core.errors import ConfigError
from scripts.core.models.architecture import PARAMS_KEY, Architecture, check_filters, check_fraction
from scripts.core.models.blocks import BlockDesign
from scripts.core.models.encoder_decoder import EncoderDecoder, multiple_of


def build_dynunet(
    *,
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    filters: Sequence[int] = (32, 64, 128, 256, 320, 320),
    kernel_sizes: Sequence[int | Sequence[int]] | None = None,
    strides: Sequence[int | Sequence[int]] | None = None,
    activation: str = "leakyrelu",
    normalisation: str = "instance",
    dropout: float = 0.0,
    deep_supervision: bool = True,
) -> nn.Module:
    """Build a U-Net with strided convolutions, deeply supervised.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        filters: Channels per level, finest first.
        kernel_sizes: Odd kernel side of each level, or one per axis; 3 by default.
        strides: Down-sampling between neighbouring levels (one fewer than levels), or one per
            axis; 2 by default.
        activation: ``relu``, ``prelu`` or ``leakyrelu``.
        normalisation: ``instance``, ``batch`` or ``none``.
        dropout: Probability of dropping a channel after each convolution.
        deep_supervision: Whether coarser levels are supervised in training, too.

    Raises:
        ConfigError: A parameter that cannot work.
    """
    filters = check_filters(filters)
    kernels = _per_axis("kernel_sizes", kernel_sizes, 3, len(filters), spatial_dims)
    if any(side % 2 == 0 for kernel in kernels for side in kernel):
        raise ConfigError(
            "kernels must be odd", where=f"{PARAMS_KEY}.kernel_sizes", got=kernel_sizes, expected="1, 3, 5 …"
        )
    design = BlockDesign(
        spatial_dims, activation, normalisation, check_fraction(dropout, "dropout"), 2, residual=False
    )
    return EncoderDecoder(
        design,
        in_channels,
        out_channels,
        filters,
        _per_axis("strides", strides, 2, len(filters) - 1, spatial_dims),
        kernels,
        downsampling="stride",
        deep_supervision=deep_supervision,
    )


def _per_axis(
    name: str, values: Sequence[int | Sequence[int]] | None, default: int, count: int, spatial_dims: int
) -> tuple[tuple[int, ...], ...]:
    """Spell out kernels or strides for every axis."""
    given: Sequence[int | Sequence[int]] = [default] * count if values is None else values
    spelt = tuple((v,) * spatial_dims if isinstance(v, int) else tuple(v) for v in given)
    if len(spelt) != count or any(len(v) != spatial_dims or min(v) < 1 for v in spelt):
        raise ConfigError(
            f"{name} does not fit the number of levels or axes",
            where=f"{PARAMS_KEY}.{name}",
            got=values,
            expected=f"{count} positive whole numbers, or {count} lists of {spatial_dims}",
        )
    return spelt


def _patch_multiple(params: Mapping[str, Any], spatial_dims: int) -> tuple[int, ...]:
    count = len(check_filters(params["filters"])) - 1
    return multiple_of(_per_axis("strides", params["strides"], 2, count, spatial_dims), spatial_dims)


ARCHITECTURE = Architecture(build_dynunet, _patch_multiple)
