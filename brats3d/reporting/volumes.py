"""How large regions and tissues are, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brats3d.reporting.case import ReportedCase
from brats3d.reporting.palette import region_colours, tissue_colours

ODDS = 3.0
"""Factor between the odds of a threshold and those that bracket it."""
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Certainty:
    """What the probabilities of a region say of its size, before any rule removes small components.

    Attributes:
        threshold: Probability above which voxels were taken.
        at: The lower and the higher probability that bracket it, see :func:`bracket`.
        smallest: Size of what lies above the higher one.
        largest: Size of what lies above the lower one.
        expected: Sum of the probabilities: the size to be expected, if they can be taken at their word.
        highest: Highest probability of any voxel.
    """

    threshold: float
    at: tuple[float, float]
    smallest: float
    largest: float
    expected: float
    highest: float


@dataclass(frozen=True)
class Volume:
    """Size of a region or tissue, in the unit of :func:`unit_of`.

    Attributes:
        name: Region or tissue.
        colour: ``#RRGGBB``.
        voxels: How many voxels (pixels) it has.
        size: Their volume (their number).
        reference: Size in the reference, if there is one.
        certainty: For regions whose probabilities are known.
    """

    name: str
    colour: str
    voxels: int
    size: float
    reference: float | None
    certainty: Certainty | None = None


def unit_of(case: ReportedCase) -> tuple[str, float]:
    """Unit that sizes are told in, and the size of a voxel in it: millilitres, or pixels of pictures."""
    if not case.has_orientation:
        return "pixels", 1.0
    if case.affine is None:
        return "ml", math.prod(case.spacing_mm) / 1000
    return "ml", abs(float(np.linalg.det(case.affine[:3, :3]))) / 1000


def bracket(threshold: float) -> tuple[float, float]:
    """Probabilities whose odds are a third of those of a threshold, and three times them.

    0.5 lies between 0.25 and 0.75.
    """
    odds = threshold / (1 - threshold)
    return odds / (ODDS + odds), ODDS * odds / (1 + ODDS * odds)


def region_volumes(case: ReportedCase, thresholds: Mapping[str, float]) -> list[Volume]:
    """Measure the regions, in the order of the convention.

    Args:
        case: Prediction, and what else is known.
        thresholds: Region to the probability above which voxels were taken; 0.5 where none is named.
    """
    names = case.convention.region_names
    colours = region_colours(names)
    _, voxel = unit_of(case)
    volumes = []
    for number, name in enumerate(names):
        wanted = None if case.reference is None else case.region(name, predicted=False)
        certainty = None
        if case.probabilities is not None:
            threshold = thresholds.get(name, DEFAULT_THRESHOLD)
            certainty = _certainty(case.probabilities[number], threshold, voxel)
        found = case.region(name, predicted=True)
        volumes.append(_volume(name, colours[name], found, wanted, voxel, certainty))
    return volumes


def tissue_volumes(case: ReportedCase) -> list[Volume]:
    """Measure the tissues (the classes but the background), none of which overlap."""
    names = case.convention.class_names[1:]
    colours = tissue_colours(names)
    _, voxel = unit_of(case)
    return [
        _volume(
            name,
            colours[name],
            case.prediction == number,
            None if case.reference is None else case.reference == number,
            voxel,
        )
        for number, name in enumerate(names, start=1)
    ]


def _volume(
    name: str,
    colour: str,
    found: NDArray[np.bool_],
    wanted: NDArray[np.bool_] | None,
    voxel: float,
    certainty: Certainty | None = None,
) -> Volume:
    voxels = int(np.count_nonzero(found))
    reference = None if wanted is None else int(np.count_nonzero(wanted)) * voxel
    return Volume(name, colour, voxels, voxels * voxel, reference, certainty)


def _certainty(probabilities: NDArray[np.float32], threshold: float, voxel: float) -> Certainty:
    at = bracket(threshold)
    largest, smallest = (int(np.count_nonzero(probabilities > level)) * voxel for level in at)
    expected = float(probabilities.sum(dtype=np.float64)) * voxel
    return Certainty(threshold, at, smallest, largest, expected, float(probabilities.max()))
