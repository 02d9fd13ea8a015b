# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""SegResNet (Myronenko 2018, without the autoencoder branch), from MONAI."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import nn

from scripts.core.errors import ConfigError
from scripts.core.models.architecture import PARAMS_KEY, Architecture, check_filters, check_fraction
from scripts.core.models.encoder_decoder import multiple_of_halvings
from scripts.core.models.layers import (
    ACTIVATIONS,
    MONAI_ACTIVATIONS,
    MONAI_NORMALISATIONS,
    NORMALISATIONS,
)
from scripts.core.registry import look_up


def build_segresnet(
    *,
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    filters: Sequence[int] = (16, 32, 64, 128),
    blocks_down: Sequence[int] = (1, 2, 2, 4),
    blocks_up: Sequence[int] = (1, 1, 1),
    activation: str = "relu",
    normalisation: str = "instance",
    dropout: float = 0.0,
) -> nn.Module:
    """Build a residual encoder-decoder that adds its skips.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        filters: Channels per level, finest first; each level has twice as many as the one before.
        blocks_down: Residual blocks of each encoder level.
        blocks_up: Residual blocks of each decoder level, coarsest first.
        activation: ``relu``, ``prelu`` or ``leakyrelu``.
        normalisation: ``instance``, ``batch`` or ``none``.
        dropout: Probability of dropping a value after the first convolution.

    Raises:
        ConfigError: A parameter that cannot work.
    """
    from monai.networks.nets.segresnet import SegResNet

    filters = check_filters(filters)
    if any(coarse != 2 * fine for fine, coarse in itertools.pairwise(filters)):
        _reject(
            "filters",
            filters,
            f"each level twice the one before: {[filters[0] * 2**i for i in range(len(filters))]}",
        )
    if len(blocks_down) != len(filters):
        _reject("blocks_down", blocks_down, f"{len(filters)} numbers, one per level of filters")
    if len(blocks_up) != len(filters) - 1:
        _reject("blocks_up", blocks_up, f"{len(filters) - 1} numbers, one fewer than levels of filters")
    look_up(ACTIVATIONS, activation, f"{PARAMS_KEY}.activation")
    look_up(NORMALISATIONS, normalisation, f"{PARAMS_KEY}.normalisation")
    return SegResNet(
        spatial_dims=spatial_dims,
        init_filters=filters[0],
        in_channels=in_channels,
        out_channels=out_channels,
        dropout_prob=check_fraction(dropout, "dropout") or None,
        act=MONAI_ACTIVATIONS[activation],
        norm=MONAI_NORMALISATIONS[normalisation],
        blocks_down=tuple(blocks_down),
        blocks_up=tuple(blocks_up),
    )


def _reject(name: str, got: object, expected: str) -> None:
    raise ConfigError(f"{name} cannot work", where=f"{PARAMS_KEY}.{name}", got=got, expected=expected)


ARCHITECTURE = Architecture(build_segresnet, multiple_of_halvings, encoder=("convInit", "down_layers"))
