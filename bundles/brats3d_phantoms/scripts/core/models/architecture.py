# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""What a model registry entry declares besides its network."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from scripts.core.errors import ConfigError

PARAMS_KEY = "model.params"


@dataclass(frozen=True)
class Architecture:
    """One registry entry.

    Attributes:
        build: Makes the network from ``spatial_dims``, ``in_channels``, ``out_channels`` and the
            keyword parameters that a user may set; every one of these has a default.
        patch_multiple: From the complete parameters and the number of spatial axes to the number
            that each side of a patch must be divisible by.
        encoder: Names of the network's parts that make up its encoder, as far as it has them: they lead
            from the image to the coarsest features.
    """

    build: Callable[..., nn.Module]
    patch_multiple: Callable[[Mapping[str, Any], int], tuple[int, ...]]
    encoder: tuple[str, ...] = ("encoder", "bridge")

    def complete(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``params`` with the defaults of :attr:`build` filled in."""
        signature = inspect.signature(self.build).parameters.values()
        defaults = {p.name: p.default for p in signature if p.default is not inspect.Parameter.empty}
        return defaults | dict(params)


def without_pretrained(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters without the file that weights start from, which a trained network can do without."""
    return {name: value for name, value in params.items() if name != "pretrained"}


def check_filters(filters: Sequence[int], minimum_depth: int = 2) -> tuple[int, ...]:
    """Return the channels per level, finest first, as a tuple.

    Raises:
        ConfigError: Fewer than ``minimum_depth`` levels, or a number of channels below 1.
    """
    whole = isinstance(filters, Sequence) and all(isinstance(count, int) and count > 0 for count in filters)
    if not whole or len(filters) < minimum_depth:
        raise ConfigError(
            "filters must list the channels of each level, finest first",
            where=f"{PARAMS_KEY}.filters",
            got=filters,
            expected=f"at least {minimum_depth} positive whole numbers, such as [16, 32, 64, 128, 256]",
        )
    return tuple(filters)


def check_fraction(value: float, name: str) -> float:
    """Return ``value`` if it lies in [0, 1).

    Raises:
        ConfigError: It does not.
    """
    if not 0 <= value < 1:
        raise ConfigError(
            f"{name} must be at least 0 and below 1",
            where=f"{PARAMS_KEY}.{name}",
            got=value,
            expected="[0, 1)",
        )
    return float(value)


def check_level_dropout(level_dropout: Sequence[float], levels: int) -> tuple[float, ...]:
    """Return the dropout of each level, finest first, as a tuple; an empty one means none.

    Raises:
        ConfigError: Neither none nor one per level, or a probability outside [0, 1).
    """
    if len(level_dropout) not in (0, levels):
        raise ConfigError(
            "level_dropout must have one probability per level of filters",
            where=f"{PARAMS_KEY}.level_dropout",
            got=level_dropout,
            expected=f"{levels} numbers, finest level first, or none",
        )
    return tuple(check_fraction(probability, "level_dropout") for probability in level_dropout)
