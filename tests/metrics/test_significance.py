"""Tests of chance: closed forms, every pattern counted, and SciPy as an independent reference."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from brats3d.metrics.significance import SWAPS, holm, signed_rank_p, swap_p

pytestmark = pytest.mark.filterwarnings("error")
QUICK = settings(deadline=None, max_examples=40)


def signed_rank(*differences: float) -> float:
    return signed_rank_p(np.array(differences, dtype=np.float64))


def test_signed_ranks_by_hand():
    assert signed_rank(1, 2, 3, 4, 5) == 2 / 32
    assert signed_rank(0.3, -0.1, 0.2) == 2 * 2 / 8
    # Two equal sizes share the rank 1.5: of four sums 0, 1.5, 1.5 and 3 one is as small as 0.
    assert signed_rank(0.5, 0.5) == 0.5
    assert signed_rank(0.5, -0.5) == 1
    assert signed_rank(0, 7, 0) == 1


def test_signed_ranks_without_anything_to_rank():
    assert signed_rank(0, 0) == 1
    assert math.isnan(signed_rank())


def test_infinite_differences_rank_highest():
    assert signed_rank(math.inf, -1, 2, -math.inf) == signed_rank(9, -1, 2, -9)


@QUICK
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_signed_ranks_against_every_pattern(differences):
    nonzero = [difference for difference in differences if difference]
    ranks = stats.rankdata(np.abs(nonzero)) if nonzero else np.zeros(0)
    centre = ranks.sum() / 2

    def distance(signs: tuple[bool, ...] | np.ndarray) -> float:
        return abs(ranks[np.array(signs, dtype=bool)].sum() - centre)

    found = distance(np.array(nonzero) > 0)
    patterns = list(itertools.product([False, True], repeat=len(nonzero)))
    expected = sum(distance(signs) >= found for signs in patterns) / len(patterns)
    assert signed_rank(*differences) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("n", "tied"), [(14, False), (50, False), (51, False), (80, True)])
def test_signed_ranks_against_scipy(n, tied):
    """With ties SciPy is exact only for the fewest pairs, so that those are compared beyond 50."""
    differences = np.random.default_rng(n).normal(0.3, size=n)
    if tied:
        differences = np.round(differences, 1)
        differences = differences[differences != 0]
        assert len(np.unique(np.abs(differences))) < len(differences)
    assert signed_rank_p(differences) == pytest.approx(stats.wilcoxon(differences).pvalue, abs=1e-12)


def test_all_swaps_of_few_cases():
    in_all, in_one, in_none = np.ones(5), np.eye(5)[0], np.zeros(5)
    np.testing.assert_array_equal(
        swap_p(np.stack([in_all, -in_all, in_one, in_none], 1)), [2 / 32, 2 / 32, 1, 1]
    )
    # Sums of 0.3, -0.1 and 0.2: 0.4 or more either way in four of the eight patterns.
    assert swap_p(np.array([[0.3], [-0.1], [0.2]])) == 0.5


def test_random_swaps_of_many_cases():
    n = 20
    better_in_14 = np.where(np.arange(n) < 14, 1.0, -1.0)
    binomial = 2 * sum(math.comb(n, k) for k in range(14, n + 1)) / 2**n
    found = swap_p(np.stack([better_in_14, np.ones(n), np.zeros(n)], 1))
    assert found[0] == pytest.approx(binomial, abs=0.01)
    assert found[1] == pytest.approx(1 / (SWAPS + 1), abs=2 / SWAPS)
    assert found[1] > 0
    assert found[2] == 1


def test_random_swaps_are_the_same_in_every_call_and_for_either_sign():
    differences = np.random.default_rng(0).normal(0.2, size=(300, 2))
    np.testing.assert_array_equal(swap_p(differences), swap_p(differences))
    np.testing.assert_array_equal(swap_p(differences), swap_p(-differences))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([]) == []
    first, undefined, second = holm([0.02, math.nan, 0.03])
    assert (first, second) == (0.04, 0.04)
    assert math.isnan(undefined)


@QUICK
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_nor_reorders(p_values):
    adjusted = holm(p_values)
    assert all(p <= own <= 1 for p, own in zip(p_values, adjusted, strict=True))
    assert min(adjusted) == min(1, len(p_values) * min(p_values))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()
