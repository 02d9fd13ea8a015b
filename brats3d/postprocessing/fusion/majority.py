"""Weighted vote."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_DECIMALS = 12


def majority(members: Sequence[NDArray[np.bool_]], shares: Sequence[float]) -> NDArray[np.float64]:
    """Share of the votes for each voxel.

    A voxel with more than half of the votes is in; with exactly half of them it is not. Votes for regions
    within each other are within each other, too: whoever votes for ET votes for TC.

    Args:
        members: Masks of one shape ``(*S)``, one per member.
        shares: Weights of the members, which add up to 1.

    Returns:
        Float64 ``(*S)`` in [0, 1].
    """
    votes = np.zeros(members[0].shape, dtype=np.float64)
    for mask, share in zip(members, shares, strict=True):
        votes += mask * share
    # 0.1 and 0.2 against 0.3 is a tie, which binary fractions would decide.
    return votes.round(_DECIMALS)
