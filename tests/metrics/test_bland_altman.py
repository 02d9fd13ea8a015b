"""Limits of agreement against the worked example of the paper that introduced them."""

from __future__ import annotations

import math

import pytest

from brats3d.metrics import bland_altman

# Peak flow by a large and a mini meter, l/min: Bland and Altman, Lancet 1986, table 1, first readings.
LARGE = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def test_the_example_of_1986() -> None:
    found = bland_altman(MINI, LARGE)
    assert found.n == 17
    assert found.bias == pytest.approx((-2.1, -22.0, 17.8), abs=0.1)
    # The paper takes 2 for 1.96: -79.7 and 75.5, and gives -114.3 to -45.1 and 40.9 to 110.1.
    assert found.lower == pytest.approx((-79.7, -114.3, -45.1), abs=2)
    assert found.upper == pytest.approx((75.5, 40.9, 110.1), abs=2)


def test_the_other_way_round_everything_is_negated() -> None:
    one, other = bland_altman(MINI, LARGE), bland_altman(LARGE, MINI)
    assert other.bias[0] == -one.bias[0]
    assert other.lower == pytest.approx((-one.upper[0], -one.upper[2], -one.upper[1]))


def test_few_pairs_say_little() -> None:
    none, one, two, three = (bland_altman(range(n), [0, 2, 2][:n]) for n in range(4))
    assert (none.n, math.isnan(none.bias[0])) == (0, True)
    assert one.bias[0] == 0
    assert math.isnan(one.bias[1])
    assert two.bias == pytest.approx((0.5, 0.5 - 12.706 * 0.5, 0.5 + 12.706 * 0.5), abs=1e-3)
    assert math.isnan(two.upper[0])
    assert three.upper[0] > three.bias[0] > three.lower[0]


def test_equal_differences_leave_no_doubt() -> None:
    found = bland_altman([1, 2, 3, 4], [2, 3, 4, 5])
    assert found.bias == found.lower == found.upper == (1, 1, 1)
