"""Distances between the surfaces of two masks, under the three definitions in use.

Tools that say "HD95" mean different numbers, so each definition has a name:

- ``area``: surface elements between voxel centres, each weighted with its area; the larger of the
  two directed percentiles (Nikolov et al. 2021; the BraTS challenges' scripts of 2023 and 2024).
- ``directed``: border voxels (6-connected in 3-D); the larger of the two directed percentiles
  (MONAI, Metrics Reloaded).
- ``pooled``: the same border voxels; one percentile of both directions together (medpy, nnU-Net v1).

The surfaces are extracted once, and distances are computed only where the surfaces are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from brats3d.errors import DataError
from brats3d.metrics.boxes import bounding_box
from brats3d.metrics.surface_elements import element_sizes
from brats3d.registry import look_up

Surface = tuple[NDArray[np.intp], NDArray[np.float64]]
"""Grid positions ``(n,)`` as flat indices, and the size of the surface at each, ``(n,)``."""


@dataclass(frozen=True)
class SurfaceDefinition:
    """How a surface is found and how a percentile of its distances is taken.

    Attributes:
        name: Registry name.
        description: One line for result files.
        extract: Bool mask ``(*S)``, padded by a voxel, and spacing in mm, to its surface.
        grid_shape: Shape of the padded mask to the shape of the grid that positions index.
        percentile: Distances of the two surfaces and a percentage, to millimetres.
    """

    name: str
    description: str
    extract: Callable[[NDArray[np.bool_], tuple[float, ...]], Surface]
    grid_shape: Callable[[tuple[int, ...]], tuple[int, ...]]
    percentile: Callable[[SurfaceDistances, float], float]


@dataclass(frozen=True)
class SurfaceDistances:
    """Distance from each point of either surface to the nearest point of the other.

    Attributes:
        to_reference_mm: From the surface of the prediction, float64 ``(n,)``.
        to_prediction_mm: From the surface of the reference, float64 ``(m,)``.
        prediction_sizes: Surface at each point of the prediction, mm² (2-D: mm), or ones.
        reference_sizes: The same for the reference.
        definition: How the surfaces were found.
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
        return self.definition.percentile(self, percent)


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
        definition: A key of :data:`SURFACE_DEFINITIONS`.

    Raises:
        ConfigError: Unknown definition.
        DataError: A mask is empty, so that there is nothing to measure.
    """
    chosen = look_up(SURFACE_DEFINITIONS, definition, "definition")
    box = bounding_box(prediction, reference)
    masks = [np.pad(mask[box], 1) for mask in (prediction, reference)]
    if not all(mask.any() for mask in masks):
        raise DataError(
            "no distance can be measured to an empty mask",
            remedy="decide by an empty policy what the distance is worth, as evaluate_case does",
        )
    spacing = tuple(float(size) for size in spacing_mm)
    (positions_p, sizes_p), (positions_r, sizes_r) = (chosen.extract(mask, spacing) for mask in masks)
    shape = chosen.grid_shape(masks[0].shape)
    points_p, points_r = (_points_mm(positions, shape, spacing) for positions in (positions_p, positions_r))
    return SurfaceDistances(
        _nearest(positions_p, points_p, positions_r, points_r),
        _nearest(positions_r, points_r, positions_p, points_p),
        sizes_p,
        sizes_r,
        chosen,
    )


def _points_mm(
    positions: NDArray[np.intp], shape: tuple[int, ...], spacing: Sequence[float]
) -> NDArray[np.float64]:
    return np.stack(np.unravel_index(positions, shape), axis=1) * np.asarray(spacing)


def _nearest(
    positions: NDArray[np.intp],
    points: NDArray[np.float64],
    other_positions: NDArray[np.intp],
    other_points: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Distance from each point to the nearest of the others, mm ``(n,)``."""
    distances = np.zeros(len(points))
    apart = ~np.isin(positions, other_positions, assume_unique=True)  # shared points need no search
    if apart.any():
        # A tree without balancing builds faster and searches as fast on points of a grid.
        tree = cKDTree(other_points, balanced_tree=False, compact_nodes=False)
        distances[apart] = tree.query(points[apart])[0]
    return distances


def _elements(mask: NDArray[np.bool_], spacing: tuple[float, ...]) -> Surface:
    """Surface elements at the corners between voxels, with their areas."""
    codes = np.zeros(_corner_shape(mask.shape), dtype=np.uint8)
    voxels = mask.view(np.uint8)
    for bit, corner in enumerate(itertools.product((0, 1), repeat=mask.ndim)):
        window = tuple(slice(offset, offset + size) for offset, size in zip(corner, codes.shape, strict=True))
        codes |= voxels[window] << np.uint8(bit)
    full = 2 ** (2**mask.ndim) - 1
    flat = codes.ravel()
    positions = np.flatnonzero((flat != 0) & (flat != full))
    return positions, element_sizes(spacing)[flat[positions]]


def _border_voxels(mask: NDArray[np.bool_], spacing: tuple[float, ...]) -> Surface:
    """Voxels of the mask with a face neighbour outside it, all of the same weight."""
    positions = np.flatnonzero(mask & ~ndimage.binary_erosion(mask))
    return positions, np.ones(len(positions))


def _corner_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size - 1 for size in shape)


def _voxel_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape


def _weighted(distances: NDArray[np.float64], sizes: NDArray[np.float64], percent: float) -> float:
    """Smallest distance within which ``percent`` of the surface lies; no interpolation."""
    order = np.argsort(distances)
    covered = np.cumsum(sizes[order])
    # The tolerance keeps the result the same when rounding orders equal areas differently.
    index = int(np.searchsorted(covered, percent / 100 * covered[-1] * (1 - 1e-12)))
    return float(distances[order[min(index, len(order) - 1)]])


def _larger_weighted(measured: SurfaceDistances, percent: float) -> float:
    return max(
        _weighted(measured.to_reference_mm, measured.prediction_sizes, percent),
        _weighted(measured.to_prediction_mm, measured.reference_sizes, percent),
    )


def _larger_directed(measured: SurfaceDistances, percent: float) -> float:
    return float(
        max(
            np.percentile(measured.to_reference_mm, percent),
            np.percentile(measured.to_prediction_mm, percent),
        )
    )


def _pooled(measured: SurfaceDistances, percent: float) -> float:
    return float(
        np.percentile(np.concatenate([measured.to_reference_mm, measured.to_prediction_mm]), percent)
    )


SURFACE_DEFINITIONS: Mapping[str, SurfaceDefinition] = MappingProxyType(
    {
        "area": SurfaceDefinition(
            "area",
            "surface elements weighted with their area, larger directed percentile (surface-distance, BraTS)",
            _elements,
            _corner_shape,
            _larger_weighted,
        ),
        "directed": SurfaceDefinition(
            "directed",
            "border voxels, larger directed percentile (MONAI, Metrics Reloaded)",
            _border_voxels,
            _voxel_shape,
            _larger_directed,
        ),
        "pooled": SurfaceDefinition(
            "pooled",
            "border voxels, percentile of both directions together (medpy, nnU-Net v1, panoptica)",
            _border_voxels,
            _voxel_shape,
            _pooled,
        ),
    }
)
