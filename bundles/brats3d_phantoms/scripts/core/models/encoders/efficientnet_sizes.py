# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""The sizes of EfficientNet B0 to B7 (Tan and Le 2019)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Scaling:
    """How a member of the family differs from B0.

    Attributes:
        width: Factor of the channels.
        depth: Factor of the blocks per stage.
        epsilon: Added to the variance in batch normalisation; of the weights that torchvision offers.
        momentum: Share of a batch in the running statistics.
    """

    width: float
    depth: float
    epsilon: float = 1e-5
    momentum: float = 0.1

    def channels(self, of_b0: int) -> int:
        """Scaled channels: the nearest multiple of 8, unless that loses more than a tenth."""
        exact = of_b0 * self.width
        nearest = max(8, 8 * int((exact + 4) // 8))
        return nearest if nearest >= 0.9 * exact else nearest + 8

    def blocks(self, of_b0: int) -> int:
        """Scaled blocks of a stage."""
        return math.ceil(of_b0 * self.depth)


SCALINGS: Mapping[str, Scaling] = MappingProxyType(
    {
        "efficientnet_b0": Scaling(1.0, 1.0),
        "efficientnet_b1": Scaling(1.0, 1.1),
        "efficientnet_b2": Scaling(1.1, 1.2),
        "efficientnet_b3": Scaling(1.2, 1.4),
        "efficientnet_b4": Scaling(1.4, 1.8),
        "efficientnet_b5": Scaling(1.6, 2.2, epsilon=1e-3, momentum=0.01),
        "efficientnet_b6": Scaling(1.8, 2.6, epsilon=1e-3, momentum=0.01),
        "efficientnet_b7": Scaling(2.0, 3.1, epsilon=1e-3, momentum=0.01),
    }
)


@dataclass(frozen=True)
class Stage:
    """A stage of B0: blocks of one kind, of which the first strides."""

    expansion: int
    kernel: int
    stride: int
    outputs: int
    blocks: int


STEM = 32
STAGES = (
    Stage(1, 3, 1, 16, 1),
    Stage(6, 3, 2, 24, 2),
    Stage(6, 5, 2, 40, 2),
    Stage(6, 3, 2, 80, 3),
    Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4),
    Stage(6, 3, 1, 320, 1),
)
