"""Which prediction belongs to which reference: any naming, patterns, files without a partner."""

from __future__ import annotations

import pytest

from brats3d.errors import DataError, LayoutError
from brats3d.workflows.evaluate import evaluate
from brats3d.workflows.pairing import match_pattern

CASES = ("BraTS2021_00001", "BraTS2021_00002", "BraTS2021_00010")


@pytest.mark.parametrize(
    "naming",
    [
        "{case}.nii.gz",
        "{case}.nii",
        "{case}_pred.nii.gz",
        "unet-{case}-fold0.nii.gz",
        "{case}/{case}-seg.nii.gz",
        "{case}/prediction.nii.gz",
        "run/a/{case}.nii.gz",
    ],
)
def test_any_naming(maps, data_set, naming):
    found = evaluate(maps.predict("p", naming), data_set, quiet=True)
    assert [(row.case_id, row.region) for row in found.rows] == [
        (case_id, region) for case_id in CASES for region in ("ET", "TC", "WT")
    ]
    dice = [row["dice"] for row in found.rows if row.region == "WT"]
    assert dice[0] == 1
    assert dice == [pytest.approx((6 - shift) / 6) for shift in range(3)]
    assert found.rows[2]["volume_ref_ml"] == pytest.approx(6 * 10 * 6 * 2 / 1000)
    assert found.failed == {}


def test_two_files(maps, tmp_path):
    reference = maps.write(tmp_path / "patient-seg.nii.gz")
    prediction = maps.write(tmp_path / "other.nii.gz", 1)
    found = evaluate(prediction, reference, reference_convention="brats2017", quiet=True)
    assert {row.case_id for row in found.rows} == {"patient"}


def test_label_map_is_preferred_to_what_else_is_called_after_the_case(maps, data_set):
    predictions = maps.predict()
    for case_id in CASES:
        (predictions / f"{case_id}_probabilities.nii.gz").touch()
    assert len(evaluate(predictions, data_set, quiet=True).rows) == 9


def test_ids_are_whole_words(maps):
    ids = ("case_1", "case_1_2", "case_12")
    references = maps.predict("r", "{case}_seg.nii.gz", cases=ids)
    predictions = maps.predict("p", "{case}_pred.nii.gz", cases=ids)
    found = evaluate(predictions, references, reference_convention="brats2017", quiet=True)
    assert [row["dice"] for row in found.rows] == [1] * 9


def test_ambiguous_predictions_are_an_error_that_a_pattern_resolves(maps, data_set):
    predictions = maps.predict("p", "{case}_pred-A.nii.gz")
    maps.predict("p", "{case}_pred-B.nii.gz")
    with pytest.raises(LayoutError, match=r"two files could be the prediction[\s\S]*prediction_pattern"):
        evaluate(predictions, data_set, quiet=True)
    found = evaluate(predictions, data_set, prediction_pattern="*_pred-B.nii.gz", quiet=True)
    assert len(found.rows) == 9


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*_seg.nii.gz", {"x"}),
        ("{case}_*.nii.gz", {"x", "x_pred"}),
        ("seg.nii.gz", {"b", "c"}),
        ("{case}/seg.nii.gz", {"b", "c"}),
        ("b*/{case}.nii.gz", {"seg"}),
    ],
)
def test_patterns(tmp_path, pattern, expected):
    for name in ("a/x_seg.nii.gz", "b/seg.nii.gz", "c/seg.nii.gz", "a/x_pred_1.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert set(match_pattern(tmp_path, pattern, "reference")) == expected


def test_pattern_that_fits_nothing(maps, data_set):
    with pytest.raises(LayoutError, match="no file fits the reference pattern"):
        evaluate(maps.predict(), data_set, reference_pattern="*_truth.nii.gz", quiet=True)


def test_missing_prediction(maps, data_set):
    predictions = maps.predict(cases=CASES[:2])
    (predictions / f"{CASES[2]}_probabilities.nii.gz").touch()
    failed = evaluate(predictions, data_set, quiet=True)
    assert list(failed.failed) == [CASES[2]]
    assert "the reference has no prediction" in failed.failed[CASES[2]]
    skipped = evaluate(predictions, data_set, missing="skip", quiet=True)
    assert failed.rows == skipped.rows
    assert {row.case_id for row in skipped.rows} == set(CASES[:2])
    assert "1 references without a prediction (BraTS2021_00010)" in skipped.notes
    assert skipped.failed == {}
    penalised = evaluate(predictions, data_set, missing="penalise", quiet=True)
    assert penalised.failed == {}
    last = penalised.rows[-1]
    assert (last.case_id, last.empty, last["dice"], last["hd95_mm"]) == (CASES[2], "missing", 0, 374)
    assert last.counts.fn == 6 * 10 * 6
    assert penalised.summary["regions"]["WT"]["prediction_missing"] == 1


def test_prediction_without_reference(maps, data_set):
    predictions = maps.predict(cases=(*CASES, "BraTS2021_09999"))
    found = evaluate(predictions, data_set, quiet=True)
    assert list(found.failed) == ["BraTS2021_09999"]
    assert "the prediction has no reference" in found.failed["BraTS2021_09999"]
    for missing in ("skip", "penalise"):
        found = evaluate(predictions, data_set, missing=missing, quiet=True)
        assert (len(found.rows), found.failed) == (9, {})
        assert "1 predictions without a reference (BraTS2021_09999)" in found.notes


@pytest.mark.parametrize("missing", ["fail", "skip", "penalise"])
def test_nothing_in_common(maps, data_set, missing):
    predictions = maps.predict(cases=("other",))
    with pytest.raises(DataError, match="no prediction belongs to a reference"):
        evaluate(predictions, data_set, missing=missing, quiet=True)


def test_references_without_labels(maps, data_set):
    for path in data_set.rglob("*_seg.nii.gz"):
        path.unlink()
    with pytest.raises(LayoutError, match="no label maps"):
        evaluate(maps.predict(), data_set, quiet=True)
