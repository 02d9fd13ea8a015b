"""Statistics of scores: closed forms, what is undefined or infinite, and the bootstrap interval."""

from __future__ import annotations

import json
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brats3d.errors import ConfigError
from brats3d.metrics.statistics import describe

pytestmark = pytest.mark.filterwarnings("error")
QUICK = settings(deadline=None, max_examples=40)
SCORES = st.lists(st.floats(-1000, 1000) | st.just(math.nan) | st.just(math.inf), max_size=30)


def test_by_hand():
    found = describe([4.0, math.nan, 1.0, 2.0, 5.0])
    assert (found.n, found.undefined) == (4, 1)
    assert found.mean == 3.0
    assert found.sd == pytest.approx(math.sqrt((1 + 4 + 1 + 4) / 3))
    assert (found.min, found.q25, found.median, found.q75, found.max) == (1, 1.75, 3, 4.25, 5)
    # Of the 256 resamples one has the mean 1, four have 1.25, six have 1.5: 2.5 % are reached at 1.5.
    assert (found.ci95_low, found.ci95_high) == (1.5, 4.5)


def test_two_values_span_the_interval():
    """A quarter of the resamples are twice the first value, a quarter twice the second."""
    found = describe([0.25, 0.75])
    assert (found.ci95_low, found.mean, found.ci95_high) == (0.25, 0.5, 0.75)


def test_nothing_defined():
    for values in ([], [math.nan, math.nan]):
        figures = describe(values).as_dict()
        assert (figures.pop("n"), figures.pop("undefined")) == (0, len(values))
        assert len(figures) == 9
        assert all(math.isnan(value) for value in figures.values())


def test_one_value_has_no_spread_and_no_interval():
    found = describe([7.0])
    assert (found.n, found.mean, found.median, found.min, found.max) == (1, 7, 7, 7, 7)
    assert all(math.isnan(value) for value in (found.sd, found.ci95_low, found.ci95_high))


def test_equal_values_have_an_interval_without_width():
    found = describe([0.1] * 11)
    assert (found.ci95_low, found.mean, found.ci95_high) == (0.1, 0.1, 0.1)


def test_an_infinite_value_makes_the_mean_infinite():
    found = describe([3.0, math.inf, 1.0, 2.0])
    assert (found.n, found.undefined, found.mean, found.max) == (4, 0, math.inf, math.inf)
    assert (found.q25, found.median, found.q75) == (1, 2, 3)
    assert math.isnan(found.sd)
    # A third of the resamples miss the infinite value.
    assert 1 < found.ci95_low < 2
    assert found.ci95_high == math.inf


def test_infinite_values_alone():
    found = describe([math.inf] * 3)
    assert (found.ci95_low, found.q25, found.median, found.mean, found.ci95_high) == (math.inf,) * 5


def test_both_infinities_leave_the_mean_open():
    found = describe([math.inf, 1.0, -math.inf])
    assert math.isnan(found.mean)
    assert (found.ci95_low, found.median, found.ci95_high) == (-math.inf, 1, math.inf)


@QUICK
@given(SCORES, st.randoms(use_true_random=False))
def test_order_does_not_matter(values, random):
    shuffled = random.sample(values, len(values))
    np.testing.assert_equal(describe(shuffled).as_dict(), describe(values).as_dict())


@QUICK
@given(SCORES)
def test_negated_values_have_the_mirrored_interval(values):
    found, mirrored = describe(values), describe([-value for value in values])
    np.testing.assert_array_equal(
        [-mirrored.mean, -mirrored.ci95_high, -mirrored.ci95_low],
        [found.mean, found.ci95_low, found.ci95_high],
    )


@QUICK
@given(SCORES)
def test_bounds(values):
    found = describe(values)
    assert found.n + found.undefined == len(values)
    if found.n >= 2:
        assert found.min <= found.ci95_low <= found.ci95_high <= found.max
        assert found.min <= found.q25 <= found.median <= found.q75 <= found.max


@pytest.mark.parametrize("n", [12, 60])
def test_interval_against_the_exact_distribution(n):
    """Of whole numbers the distribution of the resampled sum is a polynomial to the power of ``n``."""
    values = np.random.default_rng(4).geometric(0.1, size=n)
    once = np.bincount(values) / n
    total = np.ones(1)
    for _ in range(n):
        total = np.convolve(total, once)
    up_to = np.cumsum(total)
    found = describe(values.tolist())
    low, high = round(found.ci95_low * n), round(found.ci95_high * n)
    # Three standard errors of a share of 2.5 % among 2,000 resamples.
    error = 3 * math.sqrt(0.025 * 0.975 / 2000)
    assert up_to[low - 1] < 0.025 + error
    assert up_to[low] > 0.025 - error
    assert up_to[high - 1] < 0.975 + error
    assert up_to[high] > 0.975 - error


def test_more_cases_than_a_chunk_holds():
    """The interval of many values is that of the normal distribution; memory does not grow with them."""
    values = np.random.default_rng(2).uniform(size=20_000)
    scores = values.tolist()
    tracemalloc.start()
    found = describe(scores, resamples=400)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert found.ci95_low == pytest.approx(values.mean() - half, abs=half / 5)
    assert found.ci95_high == pytest.approx(values.mean() + half, abs=half / 5)
    assert peak < 8 * 2**20


def test_odd_numbers_of_resamples_are_rounded_up():
    assert describe([1.0, 5.0, 9.0], resamples=7) == describe([1.0, 5.0, 9.0], resamples=8)


def test_no_resamples_is_an_error():
    with pytest.raises(ConfigError, match=r"(?s)resamples.*1 or more"):
        describe([1.0, 2.0], resamples=0)


def test_as_dict_is_json():
    figures = describe(np.array([0.25, 0.5]).tolist()).as_dict()
    assert json.loads(json.dumps(figures)) == figures
    assert list(figures)[:3] == ["n", "undefined", "mean"]
