"""Models compared case by case: worked examples, mirrored and identical models, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import brats3d
from brats3d.errors import ConfigError, DataError
from brats3d.files import write_json
from brats3d.metrics import DEFAULT_PROFILE, Counts, RegionRow, metrics_of
from brats3d.metrics.comparison import Comparison, compare, format_comparison

pytestmark = pytest.mark.filterwarnings("error")
QUICK = settings(deadline=None, max_examples=25)
NAN, INF = math.nan, math.inf
DICE = {"dice": True}
HD95 = {"hd95_mm": False}
METRICS = metrics_of(DEFAULT_PROFILE)


def row(case_id: str, region: str, **scores: float) -> RegionRow:
    return RegionRow(case_id, region, scores, "", Counts(1, 1, 1, 1))


def table(region: str = "WT", **metrics: Sequence[float]) -> list[RegionRow]:
    """Rows of one region for the cases case0, case1, ..."""
    cases = zip(*metrics.values(), strict=True)
    return [row(f"case{i}", region, **dict(zip(metrics, own, strict=True))) for i, own in enumerate(cases)]


def mean_ranks(comparison: Comparison) -> dict[str, float]:
    return {own.model: own.mean_rank for own in comparison.ranking}


TWO = {
    "unet": table(dice=[0.8, 0.6, 0.9], hd95_mm=[3.0, 5.0, 2.0]),
    "swin": table(dice=[0.9, 0.7, 0.9], hd95_mm=[2.0, 6.0, 2.0]),
}


def test_two_models_by_hand():
    found = compare(TWO)
    dice, hd95 = found.differences
    assert (dice.region, dice.metric, hd95.metric) == ("WT", "dice", "hd95_mm")
    assert dice.difference.n == 3
    assert dice.difference.mean == pytest.approx(0.2 / 3)
    assert dice.difference.median == pytest.approx(0.1)
    # One of the 27 resamples misses each difference of 0.1: more than 2.5 %.
    assert (dice.difference.ci95_low, dice.difference.ci95_high) == (0, pytest.approx(0.1))
    assert (dice.wins, dice.ties, dice.losses) == (0, 1, 2)
    assert (dice.p, dice.p_holm) == (0.5, 1)
    assert (hd95.difference.mean, hd95.difference.median) == (0, 0)
    assert (hd95.wins, hd95.ties, hd95.losses) == (1, 1, 1)
    assert (hd95.p, hd95.p_holm) == (1, 1)
    # The cases give unet the mean ranks 2, 1.5 and 1.5.
    assert [own.model for own in found.ranking] == ["swin", "unet"]
    assert mean_ranks(found) == {"swin": pytest.approx(4 / 3), "unet": pytest.approx(5 / 3)}
    (ranks,) = found.rank_differences
    assert (ranks.first, ranks.second, ranks.difference) == ("unet", "swin", pytest.approx(-1 / 3))
    assert ranks.p == ranks.p_holm == 1
    assert (found.cases, found.regions, found.left_out) == (3, ("WT",), ())


def test_better_in_every_case():
    scores = np.linspace(0.5, 0.9, 5)
    found = compare({"a": table(dice=scores), "b": table(dice=scores**0.5)}, metrics=DICE)
    (dice,) = found.differences
    assert (dice.wins, dice.ties, dice.losses) == (0, 0, 5)
    assert dice.p == dice.p_holm == found.rank_differences[0].p == 2 / 32
    assert mean_ranks(found) == {"b": 1, "a": 2}


def test_holm_over_regions_and_metrics():
    """Four tests; the smallest p value is multiplied by four."""

    def both_regions(dice: np.ndarray) -> list[RegionRow]:
        return [own for region in ("ET", "WT") for own in table(region, dice=dice, hd95_mm=[5.0] * 6)]

    found = compare({"a": both_regions(np.arange(6) / 10), "b": both_regions(np.arange(6) / 20)})
    assert [(own.region, own.metric) for own in found.differences] == [
        ("ET", "dice"),
        ("ET", "hd95_mm"),
        ("WT", "dice"),
        ("WT", "hd95_mm"),
    ]
    # Of six cases one is equal in both.
    assert [own.p for own in found.differences] == [2 / 32, 1, 2 / 32, 1]
    assert [own.p_holm for own in found.differences] == [4 * 2 / 32, 1, 4 * 2 / 32, 1]


def test_three_models_with_ties_undefined_and_infinite_distances():
    found = compare(
        {
            "a": table(hd95_mm=[NAN, 3.0, INF, NAN]),
            "b": table(hd95_mm=[INF, 3.0, INF, 4.0]),
            "c": table(hd95_mm=[7.0, 9.0, 2.0, NAN]),
        },
        metrics=HD95,
    )
    assert mean_ranks(found) == {
        "c": (1 + 3 + 1 + 2.5) / 4,
        "b": (2 + 1.5 + 2.5 + 1) / 4,
        "a": (3 + 1.5 + 2.5 + 2.5) / 4,
    }
    assert [own.model for own in found.ranking] == ["b", "c", "a"]
    assert found.differences == ()
    assert [(own.first, own.second) for own in found.rank_differences] == [("a", "b"), ("a", "c"), ("b", "c")]
    # a to b: the ranks differ by -1, 0, 0 and -1.5; in half of the patterns these add up.
    assert found.rank_differences[0].p == 0.5
    assert found.rank_differences[0].p_holm == 1


def test_ranks_are_averaged_within_a_case_first():
    """A case with three regions weighs as much as a case with one."""
    many = [row("x", region, dice=0.9) for region in ("ET", "TC", "WT")]
    few = [row("x", region, dice=0.1) for region in ("ET", "TC", "WT")]
    found = compare(
        {"a": [*many, row("y", "WT", dice=0.2)], "b": [*few, row("y", "WT", dice=0.4)]},
        metrics=DICE,
    )
    assert mean_ranks(found) == {"a": 1.5, "b": 1.5}


def test_undefined_pairs_are_counted_and_infinite_ones_kept():
    (own,) = compare(
        {
            "a": table(hd95_mm=[NAN, 5.0, INF, 3.0, INF, 4.0]),
            "b": table(hd95_mm=[2.0, NAN, INF, INF, 1.0, 3.0]),
        },
        metrics=HD95,
    ).differences
    assert (own.difference.n, own.difference.undefined) == (4, 2)
    assert (own.difference.min, own.difference.max) == (-INF, INF)
    assert math.isnan(own.difference.mean)
    assert (own.wins, own.ties, own.losses) == (1, 1, 2)
    # Ranks 2.5, 2.5 and 1 have the sums 0, 1, 2.5, 2.5, 3.5, 3.5, 5 and 6; found are 2.5 and 3.5.
    assert own.p == 1


def test_nothing_to_test_is_undefined_and_no_test():
    found = compare({"a": table(dice=[0.5], hd95_mm=[NAN]), "b": table(dice=[0.6], hd95_mm=[3.0])})
    dice, hd95 = found.differences
    assert (dice.p, dice.p_holm) == (1, 1)
    assert (hd95.difference.n, hd95.difference.undefined) == (0, 1)
    assert math.isnan(hd95.p)
    assert math.isnan(hd95.p_holm)
    assert mean_ranks(found) == {"a": 2, "b": 1}


def test_rounding_is_no_difference():
    a, b = [0.1 + 0.2, 0.5, 0.3 - 0.2], [0.3, 0.5 + 4e-10, 0.2 - 0.1]
    found = compare({"a": table(dice=a), "b": table(dice=b)}, metrics=DICE)
    assert found.differences[0].ties == 3
    assert found.differences[0].p == 1
    assert mean_ranks(found) == {"a": 1.5, "b": 1.5}


def test_equal_differences_share_a_rank_despite_rounding():
    """Both models are better by 0.1 once, which rounding makes 0.1 and 0.09999999999999998."""
    a, b = [0.3, 0.1, 0.2], [0.2, 0.2, 0.3]
    (own,) = compare({"a": table(dice=a), "b": table(dice=b)}, metrics=DICE).differences
    assert 0.3 - 0.2 != 0.2 - 0.1
    # Ranks 2, 2 and 2 with sums 0, 2, 2, 2, 4, 4, 4, 6: none is nearer to the middle.
    assert own.p == 1


TABLES = st.lists(
    st.tuples(
        *[st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0, NAN])] * 2,
        *[st.sampled_from([0.0, 1.0, 7.5, INF, NAN])] * 2,
    ),
    min_size=1,
    max_size=16,
)


def pair_of(cases: list[tuple[float, ...]]) -> tuple[list[RegionRow], list[RegionRow]]:
    dice_a, dice_b, hd95_a, hd95_b = zip(*cases, strict=True)
    return table(dice=dice_a, hd95_mm=hd95_a), table(dice=dice_b, hd95_mm=hd95_b)


@QUICK
@given(TABLES)
def test_swapped_models_are_mirrored(cases):
    a, b = pair_of(cases)
    found, mirrored = compare({"a": a, "b": b}), compare({"b": b, "a": a})
    for own, other in zip(found.differences, mirrored.differences, strict=True):
        assert (own.wins, own.ties, own.losses) == (other.losses, other.ties, other.wins)
        np.testing.assert_equal([own.p, own.p_holm], [other.p, other.p_holm])
        x, y = own.difference, other.difference
        np.testing.assert_array_equal([x.mean, x.ci95_low, x.ci95_high], [-y.mean, -y.ci95_high, -y.ci95_low])
        assert own.wins + own.ties + own.losses == x.n
    (ranks,), (other_ranks,) = found.rank_differences, mirrored.rank_differences
    assert (ranks.difference, ranks.p) == (-other_ranks.difference, other_ranks.p)
    assert mean_ranks(found) == mean_ranks(mirrored)
    assert sum(mean_ranks(found).values()) == pytest.approx(3)


@QUICK
@given(TABLES, st.integers(2, 4))
def test_identical_models_are_equal(cases, number):
    rows, _ = pair_of(cases)
    found = compare({f"model{i}": rows for i in range(number)})
    assert set(mean_ranks(found).values()) == {(number + 1) / 2}
    assert all((own.difference, own.p, own.p_holm) == (0, 1, 1) for own in found.rank_differences)
    for own in found.differences:
        assert own.ties == own.difference.n
        assert own.p == 1 or not own.difference.n


@QUICK
@given(TABLES, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(cases, random):
    a, b = pair_of(cases)
    shuffled = {"a": random.sample(a, len(a)), "b": random.sample(b, len(b))}
    np.testing.assert_equal(compare(shuffled).as_dict(), compare({"a": a, "b": b}).as_dict())


def test_metrics_may_be_objects():
    found = compare(TWO, metrics=[METRICS["hd95_mm"], METRICS["dice"]])
    assert dict(found.metrics) == {"hd95_mm": False, "dice": True}
    assert [own.metric for own in found.differences] == ["hd95_mm", "dice"]
    assert found.ranking == compare(TWO).ranking


def test_direction_decides_who_wins():
    (as_is,), (reversed_,) = (compare(TWO, metrics={"dice": way}).differences for way in (True, False))
    assert (as_is.wins, as_is.losses) == (reversed_.losses, reversed_.wins) == (0, 2)


def test_different_cases_are_an_error_that_lists_them():
    a = [row(case, region, dice=0.5) for case in ("p1", "p2", "p3") for region in ("ET", "WT")]
    b = [own for own in a if own.case_id != "p2" and (own.case_id, own.region) != ("p3", "ET")]
    with pytest.raises(DataError) as error:
        compare({"a": [*a, row("p9", "WT", dice=1.0)], "b": b, "c": a}, metrics=DICE)
    assert "not in b: p2 (ET, WT), p3 (ET); not in b and c: p9 (WT)" in str(error.value)
    assert "common_only" in str(error.value)


def test_many_different_cases_are_listed_in_part():
    a = table(dice=[0.5] * 30)
    with pytest.raises(DataError, match=r"case27 \(WT\), and 9 more cases"):
        compare({"a": a, "b": a[:1]}, metrics=DICE)


def test_common_only_leaves_out_and_says_what():
    a = [row(case, "WT", dice=0.5) for case in ("p1", "p2")]
    b = [row(case, "WT", dice=0.6) for case in ("p2", "p3")]
    found = compare({"a": a, "b": b}, metrics=DICE, common_only=True)
    assert found.cases == found.differences[0].difference.n == 1
    assert [(own.case_id, own.region, own.missing_from) for own in found.left_out] == [
        ("p1", "WT", ("b",)),
        ("p3", "WT", ("a",)),
    ]
    assert format_comparison(found).endswith("Left out: not in b: p1 (WT); not in a: p3 (WT)")


def test_nothing_in_common_is_an_error_either_way():
    a, b = table("ET", dice=[0.5]), table("WT", dice=[0.5])
    with pytest.raises(DataError, match="no case in common"):
        compare({"a": a, "b": b}, metrics=DICE, common_only=True)
    with pytest.raises(DataError, match="without rows"):
        compare({"a": [], "b": []})


def test_a_case_twice_is_an_error():
    with pytest.raises(DataError, match=r"(?s)two rows.*b: case0, WT"):
        compare({"a": table(dice=[0.5]), "b": table(dice=[0.5]) * 2}, metrics=DICE)


def test_a_metric_that_a_table_lacks_is_an_error():
    with pytest.raises(DataError, match=r"(?s)lacks a metric.*b: case0, WT.*hd95_mm"):
        compare({"a": table(dice=[0.5], hd95_mm=[1.0]), "b": table(dice=[0.5])})


def test_one_model_is_an_error():
    with pytest.raises(ConfigError, match="two models"):
        compare({"a": table(dice=[0.5])})


@pytest.mark.parametrize("metrics", [list(METRICS.values()), {"volume_pred_ml": None}])
def test_a_metric_without_an_order_is_an_error(metrics):
    with pytest.raises(ConfigError, match="volume_pred_ml"):
        compare(TWO, metrics=metrics)


def test_no_metric_is_an_error():
    with pytest.raises(ConfigError, match="needs a metric"):
        compare(TWO, metrics=[])


def test_as_dict_is_json(tmp_path):
    content = compare(
        {"a": table(dice=[0.5], hd95_mm=[INF]), "b": table(dice=[NAN], hd95_mm=[1.0])}
    ).as_dict()
    write_json(tmp_path / "comparison.json", content)
    read = json.loads((tmp_path / "comparison.json").read_text())
    assert read["brats3d"] == brats3d.__version__
    assert read["models"] == ["a", "b"]
    assert read["higher_is_better"] == {"dice": True, "hd95_mm": False}
    assert read["differences"][0]["difference"]["undefined"] == 1
    assert read["differences"][1]["difference"]["mean"] is None
    assert read["ranking"] == [{"model": "a", "mean_rank": 1.5}, {"model": "b", "mean_rank": 1.5}]
    assert read["left_out"] == []


PRINTED = """\
A = unet, B = swin: 3 cases, differences B - A

Region  metric   pairs  undefined  median              mean [95 %]  A wins  ties  B wins      p  p Holm
───────────────────────────────────────────────────────────────────────────────────────────────────────
WT      dice         3          0  +0.100  +0.067 [+0.000, +0.100]       0     1       2  0.500   1.000
WT      hd95_mm      3          0   +0.00     +0.00 [-1.00, +1.00]       1     1       1  1.000   1.000

Ranking  mean rank
──────────────────
swin         1.333
unet         1.667

Model  against  difference of mean ranks      p  p Holm
───────────────────────────────────────────────────────
swin   unet                       -0.333  1.000   1.000"""


def test_printed_comparison():
    assert format_comparison(compare(TWO)) == PRINTED


def test_printed_ranking_of_several_models():
    text = format_comparison(compare({"a": TWO["unet"], "b": TWO["swin"], "c": TWO["unet"]}))
    assert [line.split() for line in text.splitlines() if not line.startswith("─")] == [
        ["Ranking", "mean", "rank"],
        ["b", "1.667"],
        ["a", "2.167"],
        ["c", "2.167"],
        [],
        ["Model", "against", "difference", "of", "mean", "ranks", "p", "p", "Holm"],
        ["b", "a", "-0.500", "1.000", "1.000"],
        ["c", "a", "+0.000", "1.000", "1.000"],
        ["c", "b", "+0.500", "1.000", "1.000"],
    ]


def test_printed_gaps():
    """What is undefined is a dash, an infinite difference says so, and a tiny p value is not 0."""
    scores = np.linspace(0.1, 0.8, 30)
    a = table(dice=scores, hd95_mm=[NAN] * 30, asd_mm=[1.0] * 30)
    b = table(dice=scores + 0.1, hd95_mm=[NAN] * 30, asd_mm=[INF] * 30)
    text = format_comparison(compare({"a": a, "b": b}, metrics={**DICE, **HD95, "asd_mm": False}))
    lines = {line.split()[1]: line.split()[2:] for line in text.splitlines() if line.startswith("WT")}
    assert lines["dice"] == "30 0 +0.100 +0.100 [+0.100, +0.100] 0 0 30 <0.001 <0.001".split()
    assert lines["hd95_mm"] == "0 30 - - 0 0 0 - -".split()
    assert lines["asd_mm"] == "30 0 +inf +inf [+inf, +inf] 30 0 0 <0.001 <0.001".split()
