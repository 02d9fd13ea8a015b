"""How close the answers of a bundle must be to those of this package."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from brats3d.bundles.agreement import Agreement, Demand, compare
from brats3d.errors import RunError
from brats3d.imaging import Geometry, write_image, write_label_map
from brats3d.labels import convention_named
from brats3d.postprocessing import Postprocessing
from brats3d.workflows.segmentation import SegmentedCase

CONVENTION = convention_named("brats2023")
GRID = Geometry((6, 5, 4), np.diag([1.0, 1.0, 1.0, 1.0]))
RULES = SimpleNamespace(convention=CONVENTION, postprocessing=Postprocessing({}, {"WT": 0.004}, (), 0.0))
EXACT, CLOSE = Demand(1e-4, equal_labels=True), Demand(1e-4, equal_labels=False)


def labels_of(probabilities: np.ndarray) -> np.ndarray:
    return CONVENTION.from_regions(RULES.postprocessing.regions(probabilities, CONVENTION, 0.001))


def answer(wt: float = 0.9, shift_mm: float = 0.0) -> SegmentedCase:
    """A component of four voxels, as large as the rules ask for, one of which has the probability ``wt``."""
    probabilities = np.zeros((3, *GRID.shape), np.float32)
    region = CONVENTION.region_names.index("WT")
    probabilities[region, 1:5, 2, 2] = 0.9
    probabilities[region, 1, 2, 2] = wt
    affine = GRID.affine.copy()
    affine[0, 3] = shift_mm
    return SegmentedCase("case", labels_of(probabilities), probabilities, Geometry(GRID.shape, affine))


def compared(folder: Path, found: SegmentedCase, expected: SegmentedCase, demand: Demand) -> Agreement:
    last = np.moveaxis(found.probabilities, 0, -1)
    write_image(folder / "case_probabilities.nii.gz", last, found.geometry, overwrite=False)
    write_label_map(folder / "case.nii.gz", found.labels, found.geometry, overwrite=False)
    return compare(folder, expected, RULES, demand, Path("model.ts"), "phantom")  # type: ignore[arg-type]


@pytest.mark.parametrize("demand", [EXACT, CLOSE])
def test_equal_answers_agree(tmp_path: Path, demand: Demand) -> None:
    assert (answer().labels > 0).sum() == 4
    assert compared(tmp_path, answer(), answer(), demand) == Agreement("model.ts", "phantom", 120, 0, 0.0)


def test_a_component_may_vanish_with_a_voxel_close_to_the_threshold(tmp_path: Path) -> None:
    found = compared(tmp_path, answer(wt=0.49999), answer(wt=0.50001), CLOSE)
    assert found.differing == 4
    assert found.largest == pytest.approx(2e-5, rel=0.01)


@pytest.mark.parametrize(
    ("found", "demand", "got"),
    [
        (answer(wt=0.49999), EXACT, "4 voxels with another label, probabilities up to 2e-05 apart"),
        (answer(wt=0.4), CLOSE, "4 voxels with another label, probabilities up to 0.1 apart"),
        (answer(wt=float("nan")), CLOSE, "up to nan apart"),
        (answer(shift_mm=1.0), CLOSE, "another grid"),
    ],
)
def test_answers_that_are_further_apart(
    tmp_path: Path, found: SegmentedCase, demand: Demand, got: str
) -> None:
    with pytest.raises(RunError, match="another answer than predict") as caught:
        compared(tmp_path, found, answer(wt=0.50001), demand)
    assert got in str(caught.value.got)


def test_labels_that_do_not_follow_from_the_probabilities(tmp_path: Path) -> None:
    found = answer()
    found.labels[0, 0, 0] = 2
    with pytest.raises(RunError, match="another answer") as caught:
        compared(tmp_path, found, answer(), CLOSE)
    assert "1 voxels with another label" in str(caught.value.got)
