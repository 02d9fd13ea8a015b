"""Agreement of two measurements of the same quantity (Bland and Altman 1986)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

FEWEST_FOR_LIMITS = 3
_NORMAL_975 = 1.959963984540054

Estimate = tuple[float, float, float]
"""Value, and the lower and upper end of its 95 % interval; NaN where there are too few pairs."""


@dataclass(frozen=True)
class BlandAltman:
    """Mean difference and limits of agreement.

    Attributes:
        n: Pairs.
        bias: Mean of the second less the first measurement.
        lower: Bias less 1.96 standard deviations of the differences.
        upper: Bias and 1.96 standard deviations.
    """

    n: int
    bias: Estimate
    lower: Estimate
    upper: Estimate


def bland_altman(first: Sequence[float], second: Sequence[float]) -> BlandAltman:
    """Estimate how far a second measurement may be from the first.

    The intervals are those of Bland and Altman 1999 (Statistical Methods in Medical Research 8), section
    2.2: Student's t with ``n - 1`` degrees of freedom, and the variance of a limit
    ``(1/n + 1.96² / (2 (n - 1))) s²``. A bias needs one pair, its interval two, limits three.

    Args:
        first: Finite values.
        second: As many finite values.
    """
    differences = np.subtract(second, first, dtype=np.float64)
    n = len(differences)
    nothing = (math.nan,) * 3
    if not n:
        return BlandAltman(0, nothing, nothing, nothing)
    bias = float(differences.mean())
    if n == 1:
        return BlandAltman(1, (bias, math.nan, math.nan), nothing, nothing)
    deviation = float(differences.std(ddof=1))
    t = float(stdtrit(n - 1, 0.975))
    bias_reach = t * deviation / math.sqrt(n)
    estimate = (bias, bias - bias_reach, bias + bias_reach)
    if n < FEWEST_FOR_LIMITS:
        return BlandAltman(n, estimate, nothing, nothing)
    reach = t * deviation * math.sqrt(1 / n + _NORMAL_975**2 / (2 * (n - 1)))
    low, high = bias - _NORMAL_975 * deviation, bias + _NORMAL_975 * deviation
    return BlandAltman(n, estimate, (low, low - reach, low + reach), (high, high - reach, high + reach))
