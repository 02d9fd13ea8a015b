"""Scores of a case: closed forms, the empty rules, properties, and the table on disk."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brats3d.errors import ConfigError, DataError, OutputError
from brats3d.files import write_json
from brats3d.metrics import (
    BRATS2023,
    DEFAULT_PROFILE,
    EMPTY_POLICIES,
    Counts,
    EmptyPolicy,
    Profile,
    RegionRow,
    count_voxels,
    evaluate_case,
    format_table,
    metrics_of,
    read_metrics_csv,
    summarise,
    write_metrics_csv,
)

ONE_MM = (1.0, 1.0, 1.0)
HEADER = "case_id,region,dice,empty,tp,fp,fn,tn\n"
BOUNDED = ("dice", "iou", "sensitivity", "precision", "accuracy", "nsd_1mm", "lesion_dice", "lesion_nsd_1mm")
QUICK = settings(deadline=None, max_examples=40)


def cube(start: int, stop: int, size: int = 20) -> np.ndarray:
    mask = np.zeros((1, size, size, size), dtype=bool)
    mask[:, start:stop, start:stop, start:stop] = True
    return mask


def under(policy: EmptyPolicy) -> Profile:
    return replace(DEFAULT_PROFILE, policy=policy)


def score(prediction: np.ndarray, reference: np.ndarray, **settings_) -> RegionRow:
    settings_ = {"spacing_mm": ONE_MM[: reference.ndim - 1], "regions": ["WT"], "case_id": "a", **settings_}
    (row,) = evaluate_case(prediction, reference, **settings_).rows
    return row


def test_cubes():
    """A cube of 10 voxels a side in one of 12, one voxel below each face."""
    row = score(
        cube(5, 15),
        cube(4, 16),
        spacing_mm=(2.0, 2.0, 2.0),
        profile=replace(DEFAULT_PROFILE, definition="directed"),
    )
    assert row["dice"] == pytest.approx(2 * 1000 / (1000 + 1728))
    assert row["iou"] == pytest.approx(1000 / 1728)
    assert row["sensitivity"] == pytest.approx(1000 / 1728)
    assert row["specificity"] == row["precision"] == 1
    # Of the 728 border voxels of the larger cube 8 corners and 120 more on its edges are farther than 2 mm.
    assert row["hd95_mm"] == pytest.approx(2 * math.sqrt(2))
    assert (row["volume_pred_ml"], row["volume_ref_ml"]) == (8.0, pytest.approx(13.824))
    assert (row.counts.tp, row.counts.fp, row.counts.fn, row.counts.tn) == (1000, 0, 728, 8000 - 1728)
    assert row.empty == ""


def test_two_dimensions_have_no_volume():
    prediction, reference = np.zeros((2, 1, 8, 8), dtype=bool)
    prediction[0, 2:4, 2:4] = reference[0, 2:4, 2:6] = True
    row = score(prediction, reference, spacing_mm=(1.0, 3.0))
    assert row["dice"] == pytest.approx(2 * 4 / 12)
    assert row["hd95_mm"] == pytest.approx(6.0)
    assert math.isnan(row["volume_pred_ml"])
    assert math.isnan(row["volume_ref_ml"])


EMPTY_CASES = {
    "both": (False, False),
    "prediction": (False, True),
    "reference": (True, False),
    "": (True, True),
}


@pytest.mark.parametrize("empty", EMPTY_CASES)
@pytest.mark.parametrize("penalty", [374.0, 100.0])
def test_brats_rules(empty, penalty):
    masks = [cube(2, 6) if filled else cube(0, 0) for filled in EMPTY_CASES[empty]]
    row = score(*masks, profile=under(BRATS2023.with_penalty(penalty)))
    alike = empty in ("both", "")
    assert row.empty == empty
    assert row["dice"] == row["iou"] == row["sensitivity"] == row["precision"] == float(alike)
    assert row["hd95_mm"] == (0.0 if alike else penalty)
    assert row["specificity"] == pytest.approx(1 - 64 / 8000 if empty == "reference" else 1)


def test_missing_prediction_gets_the_worst_scores_even_where_nothing_was_to_be_found():
    row = score(cube(0, 0), cube(0, 0), missing=True)
    assert row.empty == "missing"
    for name, metric in metrics_of(DEFAULT_PROFILE).items():
        if metric.higher_is_better is True:
            assert row[name] == 0, name
        elif name.endswith("_mm"):
            assert row[name] == 374, name


def test_formula_policy_leaves_undefined_what_is():
    policy = EMPTY_POLICIES["formula"]
    both = score(cube(0, 0), cube(0, 0), profile=under(policy))
    assert math.isnan(both["dice"])
    assert math.isnan(both["hd95_mm"])
    missed = score(cube(0, 0), cube(2, 4), profile=under(policy))
    assert (missed["dice"], missed["hd95_mm"]) == (0, math.inf)
    assert math.isnan(missed["precision"])
    invented = score(cube(2, 4), cube(0, 0), profile=under(policy))
    assert invented["precision"] == 0
    assert math.isnan(invented["sensitivity"])


@pytest.mark.parametrize("policy", EMPTY_POLICIES.values(), ids=list(EMPTY_POLICIES))
def test_every_policy_decides_every_metric(policy: EmptyPolicy):
    decided = {metric.policy_key or name for name, metric in metrics_of(DEFAULT_PROFILE).items()}
    computed = {"volume_pred_ml", "volume_ref_ml", "lesion_tp", "lesion_fp", "lesion_fn"}
    assert set(policy.table) == decided - computed
    assert json.loads(json.dumps(policy.as_dict()))["name"] == policy.name
    assert all(line[-1] == "computed" for line in policy.table.values())


def test_captk_penalty_is_the_diagonal():
    assert EMPTY_POLICIES["captk"].penalty_mm == pytest.approx(373.1287, abs=1e-4)


def test_negative_penalty_is_refused():
    with pytest.raises(ConfigError, match="must not be negative"):
        BRATS2023.with_penalty(-1)


@QUICK
@given(arrays(bool, (2, 1, 4, 5, 3)), st.sampled_from(["area", "directed", "pooled"]))
def test_properties(masks, definition):
    row = score(*masks, profile=replace(DEFAULT_PROFILE, definition=definition))
    turned = score(*masks[::-1], profile=replace(DEFAULT_PROFILE, definition=definition))
    padded = score(
        *np.pad(masks, [(0, 0), (0, 0), (2, 1), (0, 3), (1, 1)]),
        profile=replace(DEFAULT_PROFILE, definition=definition),
    )
    cropped = score(*masks, profile=replace(DEFAULT_PROFILE, definition=definition), background_outside=1000)
    assert all(0 <= row[metric] <= 1 for metric in BOUNDED)
    assert -1 <= row["matthews_correlation"] <= 1 or math.isnan(row["matthews_correlation"])
    assert row["asd_mm"] <= row["hd100_mm"]
    assert row["hd95_mm"] <= row["hd100_mm"]
    assert 0 <= row["specificity"] <= 1 or (
        math.isnan(row["specificity"]) and row.counts.tn + row.counts.fp == 0
    )
    assert row["iou"] <= row["dice"]
    assert row.counts.tp + row.counts.fp + row.counts.fn + row.counts.tn == 60
    assert (row["dice"], row["iou"], row["volume_pred_ml"]) == (
        turned["dice"],
        turned["iou"],
        turned["volume_ref_ml"],
    )
    assert row["hd95_mm"] == pytest.approx(turned["hd95_mm"], abs=1e-9)
    if row.empty == "":
        assert (row["sensitivity"], row["precision"]) == (turned["precision"], turned["sensitivity"])
    assert (padded["dice"], padded["hd95_mm"]) == (row["dice"], pytest.approx(row["hd95_mm"], abs=1e-9))
    assert (cropped.counts.tn, cropped["dice"]) == (row.counts.tn + 1000, row["dice"])


@QUICK
@given(arrays(bool, (2, 4, 5, 3)))
def test_a_false_positive_can_only_hurt(masks):
    prediction, reference = masks
    before = count_voxels(prediction, reference)
    outside = np.argwhere(~prediction & ~reference)
    if len(outside) == 0 or before.tp == 0:
        return
    prediction[tuple(outside[0])] = True
    after = count_voxels(prediction, reference)
    assert after.dice < before.dice
    assert after.precision < before.precision
    assert after.specificity < before.specificity
    assert after.sensitivity == before.sensitivity


def test_regions_are_scored_one_by_one():
    masks = np.concatenate([cube(6, 8), cube(5, 9), cube(3, 12)])
    other = np.concatenate([cube(0, 0), cube(5, 9), cube(3, 11)])
    rows = evaluate_case(masks, other, spacing_mm=ONE_MM, regions=["ET", "TC", "WT"], case_id="a").rows
    alone = [
        score(p[None], r[None], regions=[name])
        for name, p, r in zip(("ET", "TC", "WT"), masks, other, strict=True)
    ]
    assert list(rows) == alone
    assert [row.empty for row in rows] == ["reference", "", ""]


def test_derived_counts():
    counts = Counts(tp=6, fp=2, fn=3, tn=9)
    assert counts.accuracy == 15 / 20
    assert counts.matthews_correlation == pytest.approx((54 - 6) / math.sqrt(8 * 9 * 11 * 12))
    assert math.isnan(Counts(0, 0, 0, 5).dice)
    assert math.isnan(Counts(5, 0, 0, 0).specificity)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": np.zeros((1, 4, 4, 5), dtype=bool)}, "same grid"),
        ({"regions": ["ET", "TC"]}, "same grid"),
        ({"spacing_mm": (1.0, 1.0)}, "spacing"),
        ({"spacing_mm": (1.0, 0.0, 1.0)}, "spacing"),
        ({"spacing_mm": (1.0, -1.0, 1.0)}, "spacing"),
        ({"spacing_mm": (1.0, math.nan, 1.0)}, "spacing"),
        ({"prediction": np.full((1, 4, 4, 4), 0.5)}, "values other than 0 and 1"),
        ({"prediction": np.full((1, 4, 4, 4), np.nan)}, "values other than 0 and 1"),
        ({"prediction": np.full((1, 4, 4, 4), 2)}, "values other than 0 and 1"),
    ],
)
def test_user_errors_name_the_case(changes, message):
    good = {
        "prediction": np.zeros((1, 4, 4, 4), dtype=bool),
        "reference": np.zeros((1, 4, 4, 4), dtype=bool),
        "spacing_mm": ONE_MM,
        "regions": ["WT"],
        "case_id": "case-7",
    }
    given_ = {**good, **changes}
    with pytest.raises(DataError, match=message) as raised:
        evaluate_case(given_.pop("prediction"), given_.pop("reference"), **given_)
    assert "case-7" in str(raised.value)


def test_masks_of_zeros_and_ones_are_accepted():
    assert score(cube(2, 6).astype(np.uint8), cube(2, 6).astype(np.float32))["dice"] == 1


def some_rows() -> list[RegionRow]:
    rows = []
    for case_id, prediction in (("a", (5, 15)), ("b", (0, 0)), ("c", (4, 14))):
        masks = np.concatenate([cube(*prediction), cube(4, 14)])
        other = np.concatenate([cube(5, 15), cube(4, 14)])
        rows += evaluate_case(masks, other, spacing_mm=ONE_MM, regions=["ET", "WT"], case_id=case_id).rows
    return rows


def test_table_round_trip(tmp_path):
    path = tmp_path / "deep" / "metrics.csv"
    rows = some_rows()
    write_metrics_csv(path, rows)
    assert read_metrics_csv(path) == rows
    header = path.read_text().splitlines()[0]
    assert header.startswith(
        "case_id,region,dice,iou,sensitivity,specificity,precision,hd95_mm,volume_pred_ml,volume_ref_ml"
    )
    with pytest.raises(OutputError, match="exists already"):
        write_metrics_csv(path, rows, overwrite=False)


def test_undefined_is_blank_and_infinite_is_said(tmp_path):
    masks = cube(0, 0), cube(2, 4)
    rows = [
        score(*masks, profile=under(EMPTY_POLICIES["formula"])),
        score(masks[0], masks[0], profile=under(EMPTY_POLICIES["formula"])),
    ]
    write_metrics_csv(tmp_path / "m.csv", rows)
    text = (tmp_path / "m.csv").read_text()
    assert "nan" not in text
    assert ",inf," in text
    back = read_metrics_csv(tmp_path / "m.csv")
    assert back[0]["hd95_mm"] == math.inf
    assert math.isnan(back[1]["dice"])


def test_interrupted_table_leaves_nothing(tmp_path):
    def torn():
        yield some_rows()[0]
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        write_metrics_csv(tmp_path / "m.csv", torn())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "case_id,region\na,ET\n", "\x00\xff", HEADER + "a,ET,much\n"])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "metrics.csv"
    path.write_text(text)
    with pytest.raises(DataError, match="not a table of region metrics"):
        read_metrics_csv(path)


def test_summary_counts_failures_and_never_drops_them(tmp_path):
    rows = some_rows()
    summary = summarise(rows)
    et = summary["regions"]["ET"]
    dice = [row["dice"] for row in rows if row.region == "ET"]
    assert et["cases"] == 3
    assert et["prediction_empty"] == 1
    assert et["dice"]["penalised"] == et["hd95_mm"]["penalised"] == 1
    assert et["specificity"]["penalised"] == 0
    assert et["dice"]["mean"] == pytest.approx(np.mean(dice))
    assert et["dice"]["sd"] == pytest.approx(np.std(dice, ddof=1))
    assert et["dice"]["median"] == pytest.approx(np.median(dice))
    assert (et["dice"]["min"], et["hd95_mm"]["max"]) == (0, 374)
    assert summary["mean"]["dice"]["mean"] == pytest.approx(np.mean([row["dice"] for row in rows]))
    assert "'area'" in summary["definitions"]["hd95_mm"]
    assert summary["profile"]["policy"]["penalty_mm"] == 374
    assert et["dice"]["ci95_low"] < et["dice"]["mean"] < et["dice"]["ci95_high"]
    write_json(tmp_path / "metrics.json", summary)


def test_summary_states_what_is_undefined():
    policy = EMPTY_POLICIES["formula"]
    rows = [
        score(cube(0, 0), cube(0, 0), profile=under(policy)),
        score(cube(0, 0), cube(2, 4), profile=under(policy)),
    ]
    summary = summarise(rows, profile=under(policy))["regions"]["WT"]
    assert (summary["dice"]["n"], summary["dice"]["undefined"]) == (1, 1)
    assert summary["hd95_mm"]["mean"] == math.inf
    assert format_table(rows).splitlines()[2].split()[:5] == ["WT", "Dice", "1", "1", "1"]


def test_printed_table():
    lines = format_table(some_rows()).splitlines()
    assert lines[0].split()[:5] == ["Region", "Metric", "n", "undefined", "failed"]
    assert [line.split()[0] for line in lines if line[0].isalpha()] == ["Region", "ET", "WT", "mean"]
    assert [line.split()[:5] for line in lines if line.startswith(("ET", "WT"))] == [
        ["ET", "Dice", "3", "0", "1"],
        ["WT", "Dice", "3", "0", "0"],
    ]
    assert "1.000 [1.000, 1.000]" in next(line for line in lines if line.startswith("WT"))
    assert "lesion Dice" in format_table([])


def test_a_partial_table_says_so_in_every_row(tmp_path):
    rows = some_rows()
    write_metrics_csv(tmp_path / "m.csv", rows, partial=True)
    header, *lines = (tmp_path / "m.csv").read_text().splitlines()
    assert header.endswith(",partial")
    assert all(line.endswith(",partial") for line in lines)
    assert read_metrics_csv(tmp_path / "m.csv") == rows


def test_only_some_metrics():
    masks = cube(2, 6), cube(3, 7)
    whole = score(*masks)
    scores = evaluate_case(*masks, spacing_mm=ONE_MM, regions=["WT"], case_id="a", only=("hd95_mm", "dice"))
    (row,) = scores.rows
    assert dict(row.scores) == {"hd95_mm": whole["hd95_mm"], "dice": whole["dice"]}
    assert scores.lesions == ()
    with pytest.raises(ConfigError, match="did you mean 'dice'"):
        evaluate_case(*masks, spacing_mm=ONE_MM, regions=["WT"], case_id="a", only=("dise",))
