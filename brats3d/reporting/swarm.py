"""Points of a group side by side, so that none hides another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BANDS = 30
_WIDEST_STEP = 0.11


def spread(values: Sequence[float], low: float, high: float, half_width: float) -> NDArray[np.float64]:
    """Find horizontal offsets: points of about the same height stand beside each other.

    Args:
        values: Heights.
        low: Lower end of the axis.
        high: Upper end.
        half_width: Largest offset to either side.

    Returns:
        Float64 ``(len(values),)``, the same for the same values.
    """
    offsets = np.zeros(len(values))
    height = (high - low) / _BANDS or 1.0
    bands = np.floor((np.asarray(values, dtype=np.float64) - low) / height)
    for band in np.unique(bands):
        members = np.flatnonzero(bands == band)
        step = min(_WIDEST_STEP, 2 * half_width / max(len(members) - 1, 1))
        offsets[members] = (np.arange(len(members)) - (len(members) - 1) / 2) * step
    return offsets
