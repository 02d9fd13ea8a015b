"""Weighted mean of probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def mean(members: Sequence[NDArray[np.floating]], shares: Sequence[float]) -> NDArray[np.float64]:
    """Weighted mean for each voxel.

    Args:
        members: Probabilities of one shape ``(*S)``, one array per member.
        shares: Weights of the members, which add up to 1.

    Returns:
        Float64 ``(*S)`` in [0, 1].
    """
    total = np.zeros(members[0].shape, dtype=np.float64)
    for probabilities, share in zip(members, shares, strict=True):
        total += probabilities * share
    return total
