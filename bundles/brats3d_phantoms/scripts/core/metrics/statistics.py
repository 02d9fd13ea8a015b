# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Statistics of a list of scores that state what they rest on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.core.errors import ConfigError

RESAMPLES = 2000
_SEED = 1993
# Resampled values held at a time: 1 MiB, whatever the number of cases.
_CHUNK = 1 << 17


@dataclass(frozen=True)
class Statistics:
    """Statistics of the defined values of a list; NaN where there is none.

    Infinite values count: they make the mean infinite (NaN if there are both infinities), the standard
    deviation NaN, and the quartiles those of the distribution function, which never lie between two values.

    Attributes:
        n: Defined values, infinite ones included.
        undefined: NaN values, which are in none of the figures below.
        mean: Arithmetic mean.
        sd: Standard deviation with ``n - 1``.
        median: Median.
        q25: 25 % quantile.
        q75: 75 % quantile.
        min: Smallest value.
        max: Largest value.
        ci95_low: Lower end of the bootstrap 95 % interval of the mean.
        ci95_high: Upper end.
    """

    n: int
    undefined: int
    mean: float
    sd: float
    median: float
    q25: float
    q75: float
    min: float
    max: float
    ci95_low: float
    ci95_high: float

    def as_dict(self) -> dict[str, float | int]:
        """Return the figures as JSON content."""
        return asdict(self)


def describe(values: Sequence[float], *, resamples: int = RESAMPLES) -> Statistics:
    """Sum up values; their order does not matter, not even to the last digit.

    The interval is the percentile interval of Efron and Tibshirani, *An Introduction to the Bootstrap*
    (1993), chapter 13: ``resamples`` times as many values as there are, drawn with replacement, and of
    their means the ``k``-th from either end, ``k = floor(0.025 (resamples + 1))``. The draws come from a
    fixed seed and in pairs that mirror each other (antithetic resampling, Hall 1989), so that the interval
    of the negated values is exactly the negated interval.

    Args:
        values: Values; NaN stands for an undefined one.
        resamples: Bootstrap resamples, rounded up to an even number.

    Raises:
        ConfigError: Fewer than one resample.
    """
    if resamples < 1:
        raise ConfigError(
            "a bootstrap interval needs resamples",
            where="resamples",
            got=resamples,
            expected="a number of 1 or more, such as 2000",
        )
    everything = np.asarray(values, dtype=np.float64)
    defined = np.sort(everything[~np.isnan(everything)])
    n = len(defined)
    undefined = len(everything) - n
    if not n:
        return Statistics(0, undefined, *[math.nan] * 9)
    finite = bool(np.isfinite(defined).all())
    # Interpolation between two infinities would be NaN.
    quantiles = np.quantile(defined, [0.25, 0.5, 0.75], method="linear" if finite else "inverted_cdf")
    q25, median, q75 = (float(value) for value in quantiles)
    low, high = _interval(defined, resamples)
    return Statistics(
        n=n,
        undefined=undefined,
        mean=math.nan if _opposed(defined) else math.fsum(defined) / n,
        sd=float(defined.std(ddof=1)) if n > 1 and finite else math.nan,
        median=median,
        q25=q25,
        q75=q75,
        min=float(defined[0]),
        max=float(defined[-1]),
        ci95_low=low,
        ci95_high=high,
    )


def _opposed(ordered: NDArray[np.float64]) -> bool:
    """Whether both infinities occur, so that a mean means nothing."""
    return bool(ordered[0] == -math.inf and ordered[-1] == math.inf)


def _interval(ordered: NDArray[np.float64], resamples: int) -> tuple[float, float]:
    """Bootstrap 95 % percentile interval of the mean of sorted values ``(n,)``."""
    n = len(ordered)
    if n < 2:
        return math.nan, math.nan
    if _opposed(ordered):
        return -math.inf, math.inf
    pairs = -(-resamples // 2)
    rows = max(1, _CHUNK // n)
    rng = np.random.default_rng(_SEED)
    means = []
    for start in range(0, pairs, rows):
        drawn = rng.integers(n, size=(min(rows, pairs - start), n))
        means += [ordered[drawn].mean(axis=1), ordered[::-1][drawn].mean(axis=1)]
    # Rounding must not put the mean of equal values beyond them.
    together = np.sort(np.clip(np.concatenate(means), ordered[0], ordered[-1]))
    k = max(1, math.floor(0.025 * (len(together) + 1)))
    return float(together[k - 1]), float(together[-k])
