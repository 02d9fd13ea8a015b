"""Scoring folders of label maps: pairing under any naming, conventions, grids, bad input, real data."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from brats3d.errors import Brats3dError, ConfigError, DataError, LabelError, LayoutError, OutputError
from brats3d.imaging import Geometry, read_volume, write_image, write_label_map
from brats3d.labels import CONVENTIONS, custom_convention
from brats3d.metrics import read_metrics_csv, surface_distances
from brats3d.workflows.evaluate import evaluate
from brats3d.workflows.pairing import match_pattern

SHAPE = (12, 14, 10)
GEOMETRY = Geometry(SHAPE, np.diag([-1.0, -1.0, 2.0, 1.0]))
CASES = ("BraTS2021_00001", "BraTS2021_00002", "BraTS2021_00010")
BRATS2017, BRATS2023 = CONVENTIONS["brats2017"], CONVENTIONS["brats2023"]


def tumour(shift: int = 0) -> np.ndarray:
    """Class indices of nested boxes, moved along the first axis."""
    classes = np.zeros(SHAPE, dtype=np.uint8)
    for index, margin in ((2, 2), (1, 3), (3, 4)):
        classes[margin + shift : 10 - margin + shift, margin:-margin, margin:-margin] = index
    return classes


def write(path: Path, classes: np.ndarray, convention=BRATS2017, geometry=GEOMETRY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_label_map(path, convention.from_classes(classes), geometry, overwrite=True)
    return path


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """A BraTS 2021 data set whose images are never opened."""
    root = tmp_path / "data"
    for case_id in CASES:
        write(root / case_id / f"{case_id}_seg.nii.gz", tumour())
        for modality in ("t1", "t1ce", "t2", "flair"):
            (root / case_id / f"{case_id}_{modality}.nii.gz").touch()
    return root


def predict(folder: Path, naming: str = "{case}.nii.gz", *, cases=CASES, convention=BRATS2017) -> Path:
    for index, case_id in enumerate(cases):
        write(folder / naming.format(case=case_id), tumour(index), convention)
    return folder


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
def test_any_naming(data_set, tmp_path, naming):
    found = evaluate(predict(tmp_path / "p", naming), data_set, tmp_path / "out", quiet=True)
    assert [(row.case_id, row.region) for row in found.rows] == [
        (case_id, region) for case_id in CASES for region in ("ET", "TC", "WT")
    ]
    dice = [row.dice for row in found.rows if row.region == "WT"]
    assert dice[0] == 1
    assert dice == [pytest.approx((6 - shift) / 6) for shift in range(3)]
    assert found.rows[2].volume_ref_ml == pytest.approx(6 * 10 * 6 * 2 / 1000)


def test_results_on_disk(data_set, tmp_path):
    found = evaluate(predict(tmp_path / "p"), data_set, tmp_path / "out", quiet=True)
    assert read_metrics_csv(tmp_path / "out" / "metrics.csv") == list(found.rows)
    summary = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert summary["regions"]["WT"]["dice"]["n"] == 3
    assert summary["inputs"]["reference_convention"]["name"] == "brats2017"
    assert summary["notes"] == ["references in layout brats2021"]
    assert "WT" in found.table()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["metrics.csv", "metrics.json"]


def test_jobs_change_nothing(data_set, tmp_path):
    predictions = predict(tmp_path / "p")
    assert evaluate(predictions, data_set, jobs=3, quiet=True) == evaluate(predictions, data_set, quiet=True)


def test_conventions_may_differ(data_set, tmp_path):
    predictions = predict(tmp_path / "p", convention=BRATS2023)
    found = evaluate(predictions, data_set, prediction_convention="brats2023", quiet=True)
    assert all(row.dice == 1 for row in found.rows if row.case_id == CASES[0])


def test_flat_references_need_a_convention(tmp_path):
    references = predict(tmp_path / "labels", "{case}-seg.nii.gz", convention=BRATS2023)
    predictions = predict(tmp_path / "p", convention=BRATS2023)
    with pytest.raises(ConfigError, match="nothing tells what the label values mean"):
        evaluate(predictions, references, quiet=True)
    for side in ("reference_convention", "prediction_convention"):
        found = evaluate(predictions, references, quiet=True, **{side: "brats2023"})
        assert all(row.dice == 1 for row in found.rows)


def test_nnunet_label_folder_knows_its_convention(tmp_path):
    labels = {"background": 0, "edema": 1, "non-enhancing tumor": 2, "enhancing tumor": 3}
    description = {"channel_names": {"0": "FLAIR"}, "labels": labels, "file_ending": ".nii.gz"}
    references = predict(tmp_path / "raw" / "labelsTr", convention=CONVENTIONS["msd-task01"])
    (tmp_path / "raw" / "dataset.json").write_text(json.dumps(description))
    predictions = predict(tmp_path / "p", convention=CONVENTIONS["msd-task01"])
    (tmp_path / "p" / "dataset.json").write_text(json.dumps(description))
    found = evaluate(predictions, references, quiet=True)
    assert found.summary["inputs"]["reference_convention"]["labels"] == {1: "ED", 2: "NET", 3: "ET"}
    assert all(row.dice == 1 for row in found.rows)


def test_two_files(tmp_path):
    reference = write(tmp_path / "patient-seg.nii.gz", tumour())
    prediction = write(tmp_path / "other.nii.gz", tumour(1))
    found = evaluate(prediction, reference, reference_convention="brats2017", quiet=True)
    assert {row.case_id for row in found.rows} == {"patient"}


def test_label_map_is_preferred_to_what_else_is_called_after_the_case(data_set, tmp_path):
    predictions = predict(tmp_path / "p")
    for case_id in CASES:
        (predictions / f"{case_id}_probabilities.nii.gz").touch()
    assert len(evaluate(predictions, data_set, quiet=True).rows) == 9


def test_ids_are_whole_words(tmp_path):
    ids = ("case_1", "case_1_2", "case_12")
    references = predict(tmp_path / "r", "{case}_seg.nii.gz", cases=ids)
    predictions = predict(tmp_path / "p", "{case}_pred.nii.gz", cases=ids)
    found = evaluate(predictions, references, reference_convention="brats2017", quiet=True)
    assert [row.dice for row in found.rows] == [1] * 9


def test_ambiguous_predictions_are_an_error_that_a_pattern_resolves(data_set, tmp_path):
    predictions = predict(tmp_path / "p", "{case}_pred-A.nii.gz")
    predict(tmp_path / "p", "{case}_pred-B.nii.gz")
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


def test_pattern_that_fits_nothing(data_set, tmp_path):
    with pytest.raises(LayoutError, match="no file fits the reference pattern"):
        evaluate(predict(tmp_path / "p"), data_set, reference_pattern="*_truth.nii.gz", quiet=True)


def test_missing_prediction(data_set, tmp_path):
    predictions = predict(tmp_path / "p", cases=CASES[:2])
    with pytest.raises(DataError, match=r"do not pair[\s\S]*BraTS2021_00010"):
        evaluate(predictions, data_set, quiet=True)
    skipped = evaluate(predictions, data_set, missing="skip", quiet=True)
    assert {row.case_id for row in skipped.rows} == set(CASES[:2])
    assert "1 references without a prediction (BraTS2021_00010)" in skipped.notes
    penalised = evaluate(predictions, data_set, missing="penalise", quiet=True)
    last = penalised.rows[-1]
    assert (last.case_id, last.empty, last.dice, last.hd95_mm) == (CASES[2], "missing", 0, 374)
    assert last.fn == 6 * 10 * 6
    assert penalised.summary["regions"]["WT"]["prediction_missing"] == 1


def test_prediction_without_reference(data_set, tmp_path):
    predictions = predict(tmp_path / "p", cases=(*CASES, "BraTS2021_09999"))
    with pytest.raises(DataError, match=r"1 predictions without a reference \(BraTS2021_09999\)"):
        evaluate(predictions, data_set, quiet=True)
    assert len(evaluate(predictions, data_set, missing="skip", quiet=True).rows) == 9


def test_nothing_in_common(data_set, tmp_path):
    predictions = predict(tmp_path / "p", cases=("other",))
    for missing in ("error", "skip", "penalise"):
        with pytest.raises(DataError, match="no prediction belongs to a reference"):
            evaluate(predictions, data_set, missing=missing, quiet=True)


def test_other_grids(data_set, tmp_path):
    predictions = predict(tmp_path / "p")
    origin = np.array(GEOMETRY.affine)
    origin[0, 3] = 239
    write(predictions / f"{CASES[1]}.nii.gz", tumour(), geometry=Geometry(SHAPE, origin))
    with pytest.raises(DataError, match=r"BraTS2021_00002: origin[\s\S]*check_affine"):
        evaluate(predictions, data_set, tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()
    assert len(evaluate(predictions, data_set, check_affine=False, quiet=True).rows) == 9
    write(predictions / f"{CASES[1]}.nii.gz", tumour()[:-1], geometry=Geometry((11, 14, 10), GEOMETRY.affine))
    with pytest.raises(DataError, match=r"BraTS2021_00002: shape \(11, 14, 10\)"):
        evaluate(predictions, data_set, check_affine=False, quiet=True)


def spoil_with_other_label(path: Path) -> None:
    write_label_map(path, np.full(SHAPE, 3, dtype=np.uint8), GEOMETRY, overwrite=True)


def spoil_with_probabilities(path: Path) -> None:
    write_image(path, np.full(SHAPE, 0.25, dtype=np.float32), GEOMETRY, overwrite=True)


def spoil_with_nan(path: Path) -> None:
    write_image(path, np.full(SHAPE, np.nan, dtype=np.float32), GEOMETRY, overwrite=True)


def spoil_by_tearing(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def spoil_with_text(path: Path) -> None:
    path.write_text("not a volume")


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (spoil_with_other_label, LabelError),
        (spoil_with_probabilities, LabelError),
        (spoil_with_nan, LabelError),
        (spoil_by_tearing, DataError),
        (spoil_with_text, DataError),
    ],
)
def test_bad_prediction_names_the_file_and_writes_nothing(data_set, tmp_path, spoil, error):
    predictions = predict(tmp_path / "p")
    spoil(predictions / f"{CASES[1]}.nii.gz")
    with pytest.raises(error, match=f"{CASES[1]}.nii.gz"):
        evaluate(predictions, data_set, tmp_path / "out", quiet=True, jobs=2)
    assert not (tmp_path / "out").exists()


def test_existing_results_are_kept(data_set, tmp_path):
    predictions = predict(tmp_path / "p")
    (tmp_path / "metrics.csv").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        evaluate(predictions, data_set, tmp_path, quiet=True)
    assert (tmp_path / "metrics.csv").read_text() == "mine"
    evaluate(predictions, data_set, tmp_path, overwrite=True, quiet=True)
    assert (tmp_path / "metrics.csv").read_text() != "mine"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"predictions": "nowhere"}, DataError, "the predictions do not exist"),
        ({"references": "nowhere"}, DataError, "the references do not exist"),
        ({"predictions": "empty"}, LayoutError, "holds no predictions"),
        ({"references": "empty"}, LayoutError, "the folder is empty"),
        ({"missing": "ignore"}, ConfigError, "unknown name 'ignore'"),
        ({"definition": "areas"}, ConfigError, "did you mean 'area'"),
        ({"policy": "brats"}, ConfigError, "did you mean 'brats2023'"),
        ({"prediction_convention": "brats2032"}, ConfigError, "unknown label convention"),
        ({"prediction_convention": custom_convention({1: "x"}, {"X": ["x"]})}, ConfigError, "same regions"),
        ({"jobs": 0}, ConfigError, "number of jobs"),
    ],
)
def test_user_errors(data_set, tmp_path, changes, error, message):
    (tmp_path / "empty").mkdir()
    settings = {"predictions": predict(tmp_path / "p"), "references": data_set, "quiet": True}
    for key, value in changes.items():
        settings[key] = tmp_path / value if key in ("predictions", "references") else value
    with pytest.raises(error, match=message) as raised:
        evaluate(settings.pop("predictions"), settings.pop("references"), **settings)
    assert isinstance(raised.value, Brats3dError)


def test_references_without_labels(data_set, tmp_path):
    for path in data_set.rglob("*_seg.nii.gz"):
        path.unlink()
    with pytest.raises(LayoutError, match="no label maps"):
        evaluate(predict(tmp_path / "p"), data_set, quiet=True)


# The published table calls label 1 ENH, 2 NEC and 3 EDE and scores each by itself.
PUBLISHED_LABELS = custom_convention(
    {1: "ENH", 2: "NEC", 3: "EDE"}, {name: [name] for name in ("ENH", "NEC", "EDE")}
)


def published(folder: Path, model: str) -> dict[tuple[str, str], dict[str, float]]:
    """Published figures by case and label; blank ones are NaN."""
    with (folder / "published_metrics.csv").open(newline="") as file:
        records = [record for record in csv.DictReader(file) if record["model"] == model]
    names = ("DICE", "JACC", "ACCU", "PREC", "SENS", "SPEC", "HAUS", "SIZE")
    return {
        (record["ID"], record["region"]): {
            name: float(record[name]) if record[name] else math.nan for name in names
        }
        for record in records
    }


@pytest.mark.real
@pytest.mark.parametrize("model", ["nnUnet", "SegResNet"])
def test_published_metrics(real_data, model):
    """Figures that others published for two models are met to the last digit.

    Two differences are of convention: the publication leaves sensitivity and precision blank where
    nothing was found (here 0), and distances blank where a side is empty (here the penalty).
    """
    folder = real_data / "predictions"
    found = evaluate(
        folder,
        folder,
        prediction_pattern=f"*_pred-{model}.nii.gz",
        reference_pattern="*_seg.nii.gz",
        reference_convention=PUBLISHED_LABELS,
        quiet=True,
    )
    theirs = published(folder, model)
    assert {(row.case_id, row.region) for row in found.rows} == set(theirs)
    for row in found.rows:
        expected = theirs[row.case_id, row.region]
        ours = {
            "DICE": row.dice,
            "JACC": row.iou,
            "ACCU": (row.tp + row.tn) / (row.tp + row.fp + row.fn + row.tn),
            "PREC": row.precision,
            "SENS": row.sensitivity,
            "SPEC": row.specificity,
            "SIZE": row.volume_pred_ml * 1000,
        }
        for name, value in ours.items():
            if math.isnan(expected[name]):
                assert value == 0, (row, name)
            else:
                assert value == pytest.approx(expected[name], abs=1e-9), (row, name)
        assert math.isnan(expected["HAUS"]) == (row.empty != "")
        assert row.empty == "" or row.hd95_mm == 374


@pytest.mark.real
@pytest.mark.parametrize("model", ["nnUnet", "SegResNet"])
def test_published_distances(real_data, model):
    """The published distance is the largest from the prediction's border to the reference's, in voxels."""
    folder = real_data / "predictions"
    theirs = published(folder, model)
    compared = 0
    for case_id in sorted({case_id for case_id, _ in theirs}):
        paths = [folder / case_id / f"{case_id}_{kind}.nii.gz" for kind in (f"pred-{model}", "seg")]
        labels = [PUBLISHED_LABELS.check(read_volume(path)[0], path) for path in paths]
        masks = [PUBLISHED_LABELS.to_regions(values) for values in labels]
        for region, prediction, reference in zip(PUBLISHED_LABELS.region_names, *masks, strict=True):
            expected = theirs[case_id, region]["HAUS"]
            if not math.isnan(expected):
                measured = surface_distances(
                    prediction, reference, spacing_mm=(1, 1, 1), definition="directed"
                )
                assert measured.to_reference_mm.max() == pytest.approx(expected, abs=1e-9)
                compared += 1
    assert compared >= 3


@pytest.mark.real
def test_real_data_set_against_itself(real_data, tmp_path):
    """Six real cases; the one without enhancing tumour scores 1 and 0 mm there."""
    root = real_data / "brats2021"
    for path in root.glob("*/*_seg.nii.gz"):
        (tmp_path / path.name.replace("_seg", "")).symlink_to(path)
    found = evaluate(tmp_path, root, quiet=True, jobs=2)
    assert len(found.rows) == 18
    assert all(row.dice == 1 and row.hd95_mm == 0 for row in found.rows)
    assert [row.case_id for row in found.rows if row.empty == "both"] == ["BraTS2021_01480"]
