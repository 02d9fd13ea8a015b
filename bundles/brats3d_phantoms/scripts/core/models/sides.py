# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Sides of an image that a network can take."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.jit import is_tracing

from scripts.core.errors import ConfigError


def check_sides(x: Tensor, multiple: Sequence[int]) -> None:
    """Check that an image fits the down-sampling of a network; nothing is checked in an exported one.

    Args:
        x: Image ``(B, C, *S)``.
        multiple: What each side must be divisible by.

    Raises:
        ConfigError: A side is not.
    """
    if is_tracing() or torch.compiler.is_compiling():
        return
    sides = tuple(x.shape[2:])
    if any(side % step for side, step in zip(sides, multiple, strict=True)):
        raise ConfigError(
            "the image does not fit the down-sampling of the network",
            got=f"sides {sides}",
            expected=f"sides divisible by {tuple(multiple)}",
            remedy="pad the image, or predict with a sliding window",
        )
