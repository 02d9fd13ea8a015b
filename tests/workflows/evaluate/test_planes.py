"""Label maps of two axes: scored by contours, as masks of two axes are."""

from __future__ import annotations

import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brats3d.labels import CONVENTIONS
from brats3d.metrics import evaluate_case
from brats3d.workflows.evaluate import evaluate

AFFINE = np.diag([-0.5, -2.0, 1.0, 1.0])
CONVENTION = CONVENTIONS["brats2017"]


def disc(centre: tuple[float, float], radius: float) -> np.ndarray:
    x, y = np.indices((24, 20))
    distance = np.hypot(x - centre[0], y - centre[1])
    return np.select([distance < radius / 3, distance < radius / 1.5, distance < radius], [1, 4, 2], 0)


def save(path: Path, labels: np.ndarray) -> Path:
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(labels.astype(np.uint8), AFFINE), path)
    return path.parent


def test_two_axes(tmp_path: Path) -> None:
    ours, theirs = disc((11, 9), 8), disc((13, 9), 7)
    predictions = save(tmp_path / "p" / "a.nii.gz", ours)
    references = save(tmp_path / "r" / "a.nii.gz", theirs)
    found = evaluate(
        predictions,
        references,
        prediction_convention="brats2017",
        reference_convention="brats2017",
        quiet=True,
    )
    assert not found.failed
    expected = evaluate_case(
        CONVENTION.to_regions(ours.astype(np.uint8)),
        CONVENTION.to_regions(theirs.astype(np.uint8)),
        spacing_mm=(0.5, 2.0),
        regions=CONVENTION.region_names,
        case_id="a",
    )
    for row, own in zip(found.rows, expected.rows, strict=True):
        np.testing.assert_equal(dict(row.scores), dict(own.scores))
        assert row.counts == own.counts
    wt = found.rows[-1]
    assert wt.region == "WT"
    assert 0.5 <= wt["hd95_mm"] <= 2.5
    assert math.isnan(wt["volume_ref_ml"])


@pytest.mark.parametrize("empty", ["prediction", "reference", "both"])
def test_empty_planes(tmp_path: Path, empty: str) -> None:
    nothing, something = np.zeros((24, 20)), disc((11, 9), 8)
    save(tmp_path / "p" / "a.nii", nothing if empty != "reference" else something)
    save(tmp_path / "r" / "a.nii", nothing if empty != "prediction" else something)
    found = evaluate(tmp_path / "p", tmp_path / "r", reference_convention="brats2017", quiet=True)
    assert {row["dice"] for row in found.rows} == {1.0 if empty == "both" else 0.0}


def test_a_plane_against_a_volume_of_one_slice(tmp_path: Path) -> None:
    save(tmp_path / "p" / "a.nii", disc((11, 9), 8)[..., None])
    save(tmp_path / "r" / "a.nii", disc((11, 9), 8))
    found = evaluate(tmp_path / "p", tmp_path / "r", reference_convention="brats2017", quiet=True)
    assert [row["dice"] for row in found.rows] == [1, 1, 1]
