"""How much each member of an ensemble counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from brats3d.errors import ConfigError


def shares(weights: Sequence[float], members: int, where: str = "weights") -> tuple[float, ...]:
    """Return each member's part of the whole.

    Args:
        weights: One non-negative number for each member, or none at all: then all count the same.
        members: How many there are.
        where: Configuration key of the weights, for the message.

    Returns:
        Numbers that add up to 1.

    Raises:
        ConfigError: Another number of weights, one that is negative or not finite, or only zeros.
    """
    given = tuple(float(weight) for weight in weights) or (1.0,) * members
    fitting = len(given) == members and all(0 <= weight < math.inf for weight in given)
    if not fitting or not 0 < sum(given) < math.inf:
        raise ConfigError(
            "weights that do not fit the ensemble",
            where=where,
            got=", ".join(f"{weight:g}" for weight in given),
            expected=f"{members} non-negative numbers, not all zero: one for each member, in their order",
            remedy="correct them, or leave them out: all members then count the same",
        )
    return tuple(weight / sum(given) for weight in given)
