"""Figures that others published are met: scores of two models' predictions, and a data set with itself."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from brats3d.imaging import read_volume
from brats3d.labels import custom_convention
from brats3d.metrics import surface_distances
from brats3d.workflows.evaluate import evaluate

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
            "DICE": row["dice"],
            "JACC": row["iou"],
            "ACCU": row["accuracy"],
            "PREC": row["precision"],
            "SENS": row["sensitivity"],
            "SPEC": row["specificity"],
            "SIZE": row["volume_pred_ml"] * 1000,
        }
        for name, value in ours.items():
            if math.isnan(expected[name]):
                assert value == 0, (row, name)
            else:
                assert value == pytest.approx(expected[name], abs=1e-9), (row, name)
        assert math.isnan(expected["HAUS"]) == (row.empty != "")
        assert row.empty == "" or row["hd95_mm"] == 374


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
    assert all(row["dice"] == 1 and row["hd95_mm"] == 0 for row in found.rows)
    assert [row.case_id for row in found.rows if row.empty == "both"] == ["BraTS2021_01480"]
