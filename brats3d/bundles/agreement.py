"""Two answers to one case: that of this package and that of a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from brats3d.errors import RunError
from brats3d.imaging import Geometry
from brats3d.workflows.segmentation import CaseSegmentation, SegmentedCase


@dataclass(frozen=True)
class Demand:
    """How close the answers must be.

    Attributes:
        tolerance: Largest difference of a probability.
        equal_labels: Whether every voxel must have the same label. Otherwise labels may differ where
            they follow from a difference of probabilities within the tolerance.
    """

    tolerance: float
    equal_labels: bool


@dataclass(frozen=True)
class Agreement:
    """What was compared and what came out.

    Attributes:
        model: File with the network, such as ``model.ts``.
        case: What was segmented, in words.
        voxels: Voxels of the case.
        differing: Voxels with another label.
        largest: Largest difference of a probability.
    """

    model: str
    case: str
    voxels: int
    differing: int
    largest: float


def compare(
    output: Path,
    expected: SegmentedCase,
    segmentation: CaseSegmentation,
    demand: Demand,
    model: Path,
    case: str,
) -> Agreement:
    """Compare what a bundle wrote with what this package says.

    Labels are made from probabilities alone. So where those of the bundle are the ones that the rules of
    the run make of the bundle's own probabilities, a label can only differ because a probability close
    to a threshold does (or a component close to its least volume then has a voxel more or less).

    Args:
        output: Folder with the label map and the probabilities that the bundle wrote.
        expected: Answer of this package.
        segmentation: What gave it.
        demand: How close the two must be.
        model: File with the network that the bundle used.
        case: What was segmented, in words.

    Raises:
        RunError: They are further apart.
    """
    stem = output / expected.case_id
    labels, affine = _read(stem.with_name(f"{stem.name}.nii.gz"))
    last, _ = _read(stem.with_name(f"{stem.name}_probabilities.nii.gz"))
    probabilities = np.moveaxis(last, -1, 0)
    same_grid = labels.shape == expected.labels.shape and probabilities.shape == expected.probabilities.shape
    if not same_grid or not np.allclose(affine, expected.geometry.affine, atol=1e-3):
        raise _apart(model, case, f"a label map of {labels.shape} voxels on another grid", demand)
    differing = int((labels != expected.labels).sum())
    largest = float(np.abs(probabilities - expected.probabilities).max())
    found = Agreement(model.name, case, labels.size, differing, largest)
    stray = differing
    if not demand.equal_labels:
        stray = int((labels != _labels(probabilities, segmentation, expected.geometry)).sum())
    if stray or not largest <= demand.tolerance:
        raise _apart(model, case, _told(found, stray), demand)
    return found


def _labels(
    probabilities: NDArray[np.float32], segmentation: CaseSegmentation, grid: Geometry
) -> NDArray[np.uint8]:
    convention = segmentation.convention
    regions = segmentation.postprocessing.regions(probabilities, convention, grid.voxel_volume_ml)
    return convention.from_regions(regions)


def _told(found: Agreement, stray: int) -> str:
    told = f"{found.differing} voxels with another label, probabilities up to {found.largest:.2g} apart"
    return told if stray in (0, found.differing) else f"{told}, {stray} labels that do not follow from them"


def _apart(model: Path, case: str, got: str, demand: Demand) -> RunError:
    labels = "equal label maps" if demand.equal_labels else "label maps that follow from them"
    return RunError(
        "the exported bundle gives another answer than predict",
        where=model,
        got=f"on the {case}: {got}",
        expected=f"probabilities within {demand.tolerance:g}, {labels}, on one grid",
        remedy="report this as a defect of brats3d, with the config.yaml of the run",
    )


def _read(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    image = nib.load(path)
    return np.asarray(image.dataobj), image.affine
