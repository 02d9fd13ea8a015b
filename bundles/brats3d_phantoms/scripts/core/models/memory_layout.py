# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Which layout of memory a network computes in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import nn

_CHANNELS_LAST: Mapping[int, torch.memory_format] = MappingProxyType(
    {2: torch.channels_last, 3: torch.channels_last_3d}
)
_INSTANCE_NORMS = (nn.InstanceNorm2d, nn.InstanceNorm3d)


def lay_out(
    network: nn.Module,
    spatial_dims: int,
    *,
    device: str = "cpu",
    compiled: bool = False,
    channels_last: bool | None = None,
) -> nn.Module:
    """Lay the weights out so that ``network`` computes in a certain layout, in place.

    The layout changes neither results, beyond rounding, nor checkpoints.

    Args:
        network: Network whose weights decide the layout of what flows through it.
        spatial_dims: 2 or 3.
        device: ``cpu`` or ``cuda``: what it will compute on.
        compiled: Whether it will be compiled.
        channels_last: Whether channels come last in memory; None: where that is expected to be faster.
            That is everywhere but on a GPU with instance normalisation that is not compiled: its kernel
            rearranges memory before and after. A compiled normalisation keeps the layout.

    Returns:
        The same network.
    """
    if channels_last is None:
        normalises_instances = any(isinstance(module, _INSTANCE_NORMS) for module in network.modules())
        channels_last = device == "cpu" or compiled or not normalises_instances
    layout = _CHANNELS_LAST[spatial_dims] if channels_last else torch.contiguous_format
    return network.to(memory_format=layout)  # type: ignore[call-overload]
