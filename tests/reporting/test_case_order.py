"""Which cases come first, and which are looked at."""

from __future__ import annotations

import math
import random

import pytest
from score_tables import lesion, row

from brats3d.metrics import RegionRow
from brats3d.reporting import rank_cases, worst_median_best


def case(case_id: str, *dice: float, empty: str = "") -> list[RegionRow]:
    return [row(case_id, region, dice=own, empty=empty) for region, own in zip("abc", dice, strict=False)]


def test_failures_come_first_and_then_the_lowest_score() -> None:
    rows = [
        *case("best", 0.9, 0.9),
        *case("missed", 0.95, 0.95),
        *case("low", 0.2, 0.4),
        *case("zero", 0.0, 0.9),
        *case("gone", 0.0, 0.0, empty="missing"),
    ]
    lesions = [lesion("missed", "fn", region="b", number=n) for n in (1, 2)] + [lesion("low", "tp")]
    random.Random(0).shuffle(rows)
    ranked = rank_cases(rows, lesions, {"torn": "the file is torn"})
    assert [own.case_id for own in ranked] == ["gone", "torn", "zero", "missed", "low", "best"]
    said = {own.case_id: own.failures for own in ranked}
    assert said["torn"] == ("the file is torn",)
    assert said["zero"] == ("a: Dice 0",)
    assert said["missed"] == ("b: 2 lesions missed",)
    assert said["low"] == said["best"] == ()
    assert [own.can_be_shown for own in ranked] == [False, False, True, True, True, True]


def test_the_score_is_the_mean_of_the_regions_that_have_one() -> None:
    ranked = {own.case_id: own for own in rank_cases(case("a", 0.2, 0.6) + case("b", 0.5, math.nan))}
    assert ranked["a"].score == pytest.approx(0.4)
    assert ranked["b"].score == 0.5


def test_equal_cases_are_in_the_order_of_their_names_whatever_the_table() -> None:
    rows = [own for name in "dbca" for own in case(name, 0.5)]
    assert [own.case_id for own in rank_cases(rows)] == list("abcd")
    assert rank_cases(rows) == rank_cases(rows[::-1])


@pytest.mark.parametrize(
    ("dice", "chosen"),
    [
        ([], {}),
        ([0.5], {"c0": "only"}),
        ([0.9, 0.1], {"c1": "worst", "c0": "best"}),
        ([0.9, 0.1, 0.4], {"c1": "worst", "c2": "median", "c0": "best"}),
        ([0.9, 0.1, 0.4, 0.6], {"c1": "worst", "c2": "median", "c0": "best"}),
        ([math.nan, 0.1], {"c1": "only"}),
    ],
)
def test_worst_median_and_best(dice: list[float], chosen: dict[str, str]) -> None:
    rows = [own for place, value in enumerate(dice) for own in case(f"c{place}", value)]
    assert worst_median_best(rank_cases(rows)) == chosen


def test_what_has_no_prediction_cannot_be_looked_at() -> None:
    rows = case("a", 0.0, empty="missing") + case("b", 0.3)
    assert worst_median_best(rank_cases(rows, unreadable={"c": "torn"})) == {"b": "only"}
