# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Distances between the surfaces of two masks: Hausdorff, average, share within a tolerance.

The surfaces are extracted once, and distances are computed only where the surfaces are. What the
numbers mean is decided by a named definition (:mod:`brats3d.metrics.surface_definitions`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.core.errors import ConfigError, DataError
from scripts.core.metrics.boxes import bounding_box
from scripts.core.metrics.nearest import nearest_mm, neighbourhood
from scripts.core.metrics.surface_definitions import SURFACE_DEFINITIONS, Directed, SurfaceDefinition
from scripts.core.registry import look_up


@dataclass(frozen=True)
class SurfaceDistances:
    """Distance from each point of either surface to the nearest point of the other.

    Attributes:
        to_reference_mm: From the surface of the prediction, float64 ``(n,)``.
        to_prediction_mm: From the surface of the reference, float64 ``(m,)``.
        prediction_sizes: Surface at each point of the prediction, mm² (2-D: mm), or ones.
        reference_sizes: The same for the reference.
        definition: How the surfaces were found and what the numbers mean.
    """

    to_reference_mm: NDArray[np.float64]
    to_prediction_mm: NDArray[np.float64]
    prediction_sizes: NDArray[np.float64]
    reference_sizes: NDArray[np.float64]
    definition: SurfaceDefinition

    def hausdorff_mm(self, percent: float = 95.0) -> float:
        """Percentile Hausdorff distance; at 100 the largest distance either way."""
        if percent >= 100:
            return float(max(self.to_reference_mm.max(), self.to_prediction_mm.max()))
        return self.definition.percentile(*self._both_ways(), percent)

    def average_mm(self) -> float:
        """Average symmetric surface distance (ASD, ASSD)."""
        return self.definition.average(*self._both_ways())

    def nsd(self, tolerance_mm: float) -> float:
        """Normalised surface Dice: the share of the surfaces within a tolerance of each other, 0 to 1.

        Args:
            tolerance_mm: Largest distance that counts as agreement, that distance included.

        Raises:
            ConfigError: The tolerance is negative or not a number.
        """
        if not tolerance_mm >= 0:
            raise ConfigError(
                "the tolerance of a surface Dice must be a distance",
                got=tolerance_mm,
                expected="a number of millimetres, 0 or more",
            )
        # Rounding, as in 3 * 0.1 mm, must not put a distance that equals the tolerance beyond it.
        return self.definition.within(*self._both_ways(), tolerance_mm * (1 + 1e-9))

    def _both_ways(self) -> tuple[Directed, Directed]:
        return (
            Directed(self.to_reference_mm, self.prediction_sizes),
            Directed(self.to_prediction_mm, self.reference_sizes),
        )


def surface_distances(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    *,
    spacing_mm: Sequence[float],
    definition: str = "area",
) -> SurfaceDistances:
    """Measure the distances between the surfaces of two masks.

    Args:
        prediction: Bool ``(*S)``, two or three axes, not empty.
        reference: Bool ``(*S)``, not empty.
        spacing_mm: Voxel size along each axis.
        definition: A key of :data:`~brats3d.metrics.surface_definitions.SURFACE_DEFINITIONS`.

    Raises:
        ConfigError: Unknown definition.
        DataError: A mask is empty, so that there is nothing to measure; or the shapes or the spacing do
            not fit.
    """
    chosen = look_up(SURFACE_DEFINITIONS, definition, "definition")
    spacing = tuple(float(size) for size in spacing_mm)
    _check(prediction.shape, reference.shape, spacing)
    box = bounding_box(prediction, reference)
    masks = [_with_room(mask[box], neighbourhood(spacing).reach) for mask in (prediction, reference)]
    if not all(mask.any() for mask in masks):
        raise DataError(
            "no distance can be measured to an empty mask",
            remedy="decide by an empty policy what the distance is worth, as evaluate_case does",
        )
    (positions_p, sizes_p), (positions_r, sizes_r) = (chosen.extract(mask, spacing) for mask in masks)
    shape = masks[0].shape
    return SurfaceDistances(
        nearest_mm(positions_p, positions_r, shape, spacing),
        nearest_mm(positions_r, positions_p, shape, spacing),
        sizes_p,
        sizes_r,
        chosen,
    )


def _check(prediction: tuple[int, ...], reference: tuple[int, ...], spacing_mm: tuple[float, ...]) -> None:
    if prediction != reference or len(reference) not in (2, 3):
        raise DataError(
            "the masks cannot be compared",
            got=f"a prediction of {prediction} and a reference of {reference} voxels",
            expected="one shape with two or three axes",
        )
    if len(spacing_mm) != len(reference) or not all(0 < size < math.inf for size in spacing_mm):
        raise DataError(
            "the spacing does not fit the masks",
            got=f"{spacing_mm} mm for {len(reference)} axes",
            expected="a positive number for each axis",
        )


def _with_room(mask: NDArray[np.bool_], reach: tuple[int, ...]) -> NDArray[np.bool_]:
    """Copy a mask into an array with a free voxel before it and ``reach``, at least one, behind it."""
    shape = [1 + size + max(1, room) for size, room in zip(mask.shape, reach, strict=True)]
    larger = np.zeros(shape, dtype=np.bool_)
    larger[tuple(slice(1, 1 + size) for size in mask.shape)] = mask
    return larger
