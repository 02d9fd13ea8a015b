"""Fractions and seconds left, by a clock that is told how late it is."""

from __future__ import annotations

import pytest

from brats3d.viewer.timing import STAGES, Stopwatch


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_first_job_knows_its_pace_from_its_windows(clock: Clock) -> None:
    watch = Stopwatch({}, clock)
    assert (watch.stage, watch.fraction, watch.seconds_left) == (None, 0.0, None)
    watch.enter("loading model")
    clock.now = 2.0
    assert watch.seconds_left is None
    watch.enter("segmenting")
    assert watch.seconds_left is None
    clock.now = 5.0
    watch.advance(0.25)
    assert watch.seconds_left == pytest.approx(9.0)
    assert watch.fraction == pytest.approx((1 + 7 / 4) / 10)
    watch.enter(None)
    assert watch.taken == {"loading model": 2.0, "segmenting": 3.0}


def test_later_jobs_know_it_from_earlier_ones(clock: Clock) -> None:
    expected = dict(zip(STAGES, (0.0, 2.0, 6.0, 2.0), strict=True))
    watch = Stopwatch(expected, clock)
    watch.enter("loading model")
    assert watch.seconds_left == pytest.approx(10.0)
    watch.enter("reading")
    clock.now = 0.5
    assert watch.seconds_left == pytest.approx(9.5)
    assert 0 < watch.fraction < 0.2
    clock.now = 30.0
    assert watch.seconds_left == pytest.approx(8.0)
    assert watch.fraction < 0.2 + 1e-3
    watch.enter("segmenting")
    watch.advance(0.5)
    clock.now = 34.0
    assert watch.seconds_left == pytest.approx(6.0)
    assert watch.fraction == pytest.approx(0.5, abs=1e-3)


def test_the_fraction_never_falls(clock: Clock) -> None:
    watch = Stopwatch({}, clock)
    watch.enter("segmenting")
    watch.advance(0.9)
    high = watch.fraction
    watch.advance(0.1)
    assert watch.fraction == high
