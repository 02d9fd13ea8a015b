"""The lesions of a prediction: how many, how large, how sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from brats3d.features.diameter import largest_diameter_mm
from brats3d.metrics.components import label_components
from brats3d.reporting.case import ReportedCase
from brats3d.reporting.views import Box, central_voxel


@dataclass(frozen=True)
class FoundLesion:
    """A connected component of tumour (26 neighbours, 8 in pictures).

    Attributes:
        number: 1 for the largest.
        voxels: Region to its voxels within the lesion.
        total: Voxels of all tissues.
        diameter: Largest diameter in millimetres, or pixels.
        probability: Mean over its voxels of the probability to be tumour; None where none is known.
        centre: Voxel in the middle of its core, else in its own.
    """

    number: int
    voxels: Mapping[str, int]
    total: int
    diameter: float
    probability: float | None
    centre: tuple[int, int, int]


@dataclass(frozen=True)
class FoundLesions:
    """Lesions of a prediction or a reference.

    Attributes:
        listed: The largest ones, the largest first.
        count: How many there are.
        unlisted_voxels: Voxels of those that are not listed.
    """

    listed: tuple[FoundLesion, ...]
    count: int
    unlisted_voxels: int


def find_lesions(case: ReportedCase, *, predicted: bool = True, most: int = 10) -> FoundLesions:
    """Find the lesions.

    Args:
        case: A case.
        predicted: Whether those of the prediction are meant; else the case has a reference.
        most: How many to measure, the largest ones.
    """
    classes = case.prediction if predicted else case.reference
    assert classes is not None, f"{case.case_id} has no reference"
    labels, count = label_components(classes > 0)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    boxes = ndimage.find_objects(labels)
    order = np.argsort(-sizes, kind="stable")
    listed = tuple(
        _lesion(number, case, labels[boxes[index]] == index + 1, boxes[index], predicted=predicted)
        for number, index in enumerate(order[:most].tolist(), start=1)
    )
    return FoundLesions(listed, count, int(sizes[order[most:]].sum()))


def _lesion(
    number: int, case: ReportedCase, mask: NDArray[np.bool_], box: Box, *, predicted: bool
) -> FoundLesion:
    regions = {
        name: case.region(name, predicted=predicted)[box] & mask for name in case.convention.region_names
    }
    core = regions[case.core]
    x, y, z = central_voxel(core if core.any() else mask, case.spacing_mm)
    probability = None
    if case.probabilities is not None:
        tumour = case.probabilities[(slice(None), *box)].max(axis=0)
        probability = float(tumour[mask].mean(dtype=np.float64))
    return FoundLesion(
        number,
        {name: int(np.count_nonzero(inside)) for name, inside in regions.items()},
        int(np.count_nonzero(mask)),
        _diameter(case, mask),
        probability,
        (x + box[0].start, y + box[1].start, z + box[2].start),
    )


def _diameter(case: ReportedCase, mask: NDArray[np.bool_]) -> float:
    axes = np.diag(case.spacing_mm) if case.affine is None else case.affine[:3, :3]
    kept = [axis for axis, size in enumerate(case.prediction.shape) if size > 1] or [0, 1]
    if len(kept) == 2:
        (flat,) = {0, 1, 2} - set(kept)
        step = np.linalg.norm(axes[:, kept], axis=0)
        return largest_diameter_mm(np.asarray(mask.any(axis=flat)), np.diag(step))
    return largest_diameter_mm(mask, axes)
