"""Voxels of each region in one slice: the numbers of the figures of a case."""

from __future__ import annotations

import math

import numpy as np

from brats3d.metrics import count_voxels
from brats3d.reporting.case import LabelledCase
from brats3d.reporting.views import Plane

COLUMNS = (
    "plane",
    "slice",
    "region",
    "reference_voxels",
    "predicted_voxels",
    "tp",
    "fp",
    "fn",
    "mean_probability",
)


def region_counts(case: LabelledCase, plane: Plane, index: int) -> list[list[object]]:
    """Count what a figure shows.

    Returns:
        A row per region with the values of :data:`COLUMNS`; the probability is the mean over the slice, NaN
        where none is known.
    """
    rows: list[list[object]] = []
    for number, name in enumerate(case.convention.region_names):
        wanted, found = (
            plane.picture(case.region(name, predicted=predicted), index) for predicted in (False, True)
        )
        counts = count_voxels(found.astype(np.bool_), wanted.astype(np.bool_))
        mean = math.nan
        if case.probabilities is not None:
            mean = float(plane.picture(case.probabilities[number], index).mean(dtype=np.float64))
        voxels = (counts.referenced, counts.predicted, counts.tp, counts.fp, counts.fn)
        rows.append([plane.name, index, name, *voxels, mean])
    return rows
