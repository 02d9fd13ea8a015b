# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Whether a difference between two models could be chance: signed ranks, swapped ranks, many tests."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

EXACT_PAIRS = 50
"""Most differences for which the signed-rank test is exact."""

SWAPS = 10_000
"""Random swaps of a permutation test; all swaps are tried where there are no more than these."""

_SEED = 2018
# Random signs held at a time: 8 MiB as float64, whatever the number of cases.
_CHUNK = 1 << 20


def signed_rank_p(differences: NDArray[np.float64]) -> float:
    """Two-sided p value of the paired signed-rank test (Wilcoxon 1945).

    Zero differences are dropped, equal ones share their mean rank, and infinite ones rank above all
    others. Up to :data:`EXACT_PAIRS` differences the distribution is counted out for the ranks as they
    are, ties included (Streitberg and Röhmel 1986); beyond, it is the normal approximation without
    continuity correction.

    Args:
        differences: ``(n,)``, without NaN.

    Returns:
        1 if all differences are zero; NaN if there are none.
    """
    if not len(differences):
        return math.nan
    nonzero = differences[differences != 0]
    if not len(nonzero):
        return 1.0
    doubled = _doubled_ranks(np.abs(nonzero))
    total = int(doubled.sum())
    positive = int(doubled[nonzero > 0].sum())
    if len(nonzero) <= EXACT_PAIRS:
        share = _sign_patterns(doubled)[: min(positive, total - positive) + 1].sum() / 2.0 ** len(nonzero)
        return min(1.0, 2 * float(share))
    z = (2 * positive - total) / math.sqrt(float(np.square(doubled, dtype=np.float64).sum()))
    return math.erfc(abs(z) / math.sqrt(2))


def _doubled_ranks(sizes: NDArray[np.float64]) -> NDArray[np.int64]:
    """Twice the ranks from 1, whole numbers even where equal sizes share a mean rank."""
    _, place, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    return (2 * np.cumsum(counts) - counts + 1)[place]


def _sign_patterns(doubled: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many of all sign patterns have which sum of positive ranks; exact up to 53 ranks."""
    patterns = np.zeros(int(doubled.sum()) + 1)
    patterns[0] = 1
    for rank in doubled:
        patterns[rank:] += patterns[:-rank].copy()
    return patterns


def swap_p(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two-sided p values of mean differences, by swapping the two models in some of the cases.

    This is the permutation test of the BraTS ranking (Bakas et al. 2018, arXiv:1811.02629), which
    counts how often a random swap gives at least the difference that was found; there one-sided. With
    random swaps the pattern found is counted as one of them, so that p is never 0 (Phipson and Smyth 2010).

    Args:
        differences: Ranks of one model less those of another, case by case, ``(cases, pairs)``.

    Returns:
        ``(pairs,)``; the same for the same differences in the same order.
    """
    cases = len(differences)
    # Rounding must not make sums of the same ranks in another order differ.
    found = np.abs(differences.sum(axis=0)) - 1e-9
    if 2**cases <= SWAPS:
        swapped = np.arange(2**cases)[:, None] >> np.arange(cases) & 1
        reached = (np.abs(_signs(swapped) @ differences) >= found).sum(axis=0)
        return np.asarray(reached / 2**cases)
    rng = np.random.default_rng(_SEED)
    rows = max(1, _CHUNK // cases)
    reached = np.ones(differences.shape[1], dtype=np.int64)
    for start in range(0, SWAPS, rows):
        swapped = rng.integers(2, size=(min(rows, SWAPS - start), cases))
        reached += (np.abs(_signs(swapped) @ differences) >= found).sum(axis=0)
    return np.asarray(reached / (SWAPS + 1))


def _signs(swapped: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(swapped == 1, -1.0, 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values for their number (Holm 1979); NaN stands for a test that could not be made.

    Returns:
        Adjusted values in the same order, at most 1.
    """
    adjusted = [math.nan] * len(p_values)
    made = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    highest = 0.0
    for done, (p, place) in enumerate(made):
        highest = max(highest, min(1.0, (len(made) - done) * p))
        adjusted[place] = highest
    return adjusted
