"""Fusion of what several tools or models say of one case, by method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brats3d.postprocessing.fusion.majority import majority
from brats3d.postprocessing.fusion.mean import mean
from brats3d.postprocessing.fusion.staple import staple
from brats3d.postprocessing.fusion.weights import shares


@dataclass(frozen=True)
class FusionMethod:
    """A way to fuse a region.

    Attributes:
        fuse: Called with one array ``(*S)`` per member and their shares, which add up to 1; returns float64
            ``(*S)`` in [0, 1], above 0.5 where a voxel is in the region.
        of_probabilities: Whether the arrays are probabilities; otherwise they are masks.
        weighted: Whether the shares count.
    """

    fuse: Callable[[Sequence[NDArray[Any]], Sequence[float]], NDArray[np.float64]]
    of_probabilities: bool = False
    weighted: bool = True


FUSIONS: Mapping[str, FusionMethod] = MappingProxyType(
    {
        "majority": FusionMethod(majority),
        "staple": FusionMethod(staple, weighted=False),
        "mean": FusionMethod(mean, of_probabilities=True),
    }
)

__all__ = ["FUSIONS", "FusionMethod", "shares"]
