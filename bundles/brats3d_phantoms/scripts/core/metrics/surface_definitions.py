# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""The three definitions of surface distances in use, as one table of extraction and formulas.

Tools that say "HD95", "average surface distance" or "NSD" mean different numbers, so each definition
has a name:

- ``area``: surface elements between voxel centres, each weighted with its area. HD95 is the larger of
  the two directed percentiles, the average the mean of the two directed means, NSD the share of all
  area (Nikolov et al. 2021; the BraTS challenges' scripts of 2023 and 2024).
- ``directed``: border voxels (6-connected in 3-D). HD95 is the larger of the two directed percentiles;
  average and NSD are over the voxels of both borders together (MONAI, Metrics Reloaded; the average
  also medpy from 0.5).
- ``pooled``: the same border voxels. HD95 is one percentile of both directions together; average and
  NSD are the mean of the two directed ones (medpy up to 0.4, nnU-Net v1, panoptica, GaNDLF).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.core.metrics.surface_elements import element_sizes

Surface = tuple[NDArray[np.intp], NDArray[np.float64]]
"""Positions ``(n,)`` as flat indices into the mask, and the size of the surface at each, ``(n,)``."""


class Directed(NamedTuple):
    """Distances from one surface to the other.

    Attributes:
        distances_mm: From each point of the one surface to the nearest of the other, float64 ``(n,)``.
        sizes: Surface at each of these points, mm² (2-D: mm), or ones.
    """

    distances_mm: NDArray[np.float64]
    sizes: NDArray[np.float64]


Formula = Callable[[Directed, Directed, float], float]


@dataclass(frozen=True)
class SurfaceDefinition:
    """How a surface is found and how its distances become one number.

    Attributes:
        name: Registry name.
        description: One line for result files.
        extract: Bool mask ``(*S)`` in C order, empty at both ends of each axis, and spacing in mm, to its
            surface.
        percentile: Both directions and a percentage, to millimetres.
        average: Both directions to the average distance in millimetres.
        within: Both directions and a distance in mm, to the share of surface within it, 0 to 1.
    """

    name: str
    description: str
    extract: Callable[[NDArray[np.bool_], tuple[float, ...]], Surface]
    percentile: Formula
    average: Callable[[Directed, Directed], float]
    within: Formula


def _elements(mask: NDArray[np.bool_], spacing: tuple[float, ...]) -> Surface:
    """Surface elements at the corners between voxels, with their areas.

    A corner has the position of the lowest of its voxels. The padding lets the neighbours be found by
    shifting the flat array: what is shifted over the end of a row is empty.
    """
    codes = mask.ravel().view(np.uint8).copy()
    full = 1
    for stride in reversed(mask.strides):
        codes[:-stride] += codes[stride:] * np.uint8(full + 1)  # bits further left; NumPy's << is slower
        full = (full + 1) ** 2 - 1
    positions = np.flatnonzero(codes - np.uint8(1) < full - 1)  # neither 0, which becomes 255, nor full
    return positions, element_sizes(spacing)[codes[positions]]


def _border_voxels(mask: NDArray[np.bool_], spacing: tuple[float, ...]) -> Surface:
    """Voxels of the mask with a face neighbour outside it, all of the same weight."""
    inside = mask.ravel()
    deep = inside.copy()
    for stride in mask.strides:
        deep[stride:] &= inside[:-stride]
        deep[:-stride] &= inside[stride:]
    positions = np.flatnonzero(inside != deep)
    return positions, np.ones(len(positions))


def _weighted(one_way: Directed, percent: float) -> float:
    """Smallest distance within which ``percent`` of the surface lies; no interpolation."""
    order = np.argsort(one_way.distances_mm)
    covered = np.cumsum(one_way.sizes[order])
    # The tolerance keeps the result the same when rounding orders equal areas differently.
    index = int(np.searchsorted(covered, percent / 100 * covered[-1] * (1 - 1e-12)))
    return float(one_way.distances_mm[order[min(index, len(order) - 1)]])


def _larger_weighted(to_reference: Directed, to_prediction: Directed, percent: float) -> float:
    return max(_weighted(to_reference, percent), _weighted(to_prediction, percent))


def _larger_percentile(to_reference: Directed, to_prediction: Directed, percent: float) -> float:
    return max(float(np.percentile(way.distances_mm, percent)) for way in (to_reference, to_prediction))


def _percentile_of_both(to_reference: Directed, to_prediction: Directed, percent: float) -> float:
    both = np.concatenate([to_reference.distances_mm, to_prediction.distances_mm])
    return float(np.percentile(both, percent))


def _mean_of_both_means(to_reference: Directed, to_prediction: Directed) -> float:
    return sum(_total_mm(way) / float(way.sizes.sum()) for way in (to_reference, to_prediction)) / 2


def _mean_over_both(to_reference: Directed, to_prediction: Directed) -> float:
    total = _total_mm(to_reference) + _total_mm(to_prediction)
    return total / float(to_reference.sizes.sum() + to_prediction.sizes.sum())


def _total_mm(one_way: Directed) -> float:
    # Not with @, which wakes the threads of BLAS: much slower than the sum where cores are busy.
    return float((one_way.distances_mm * one_way.sizes).sum())


def _size_within(one_way: Directed, distance_mm: float) -> float:
    return float(one_way.sizes[one_way.distances_mm <= distance_mm].sum())


def _share_of_both(to_reference: Directed, to_prediction: Directed, distance_mm: float) -> float:
    within = _size_within(to_reference, distance_mm) + _size_within(to_prediction, distance_mm)
    return within / float(to_reference.sizes.sum() + to_prediction.sizes.sum())


def _mean_of_both_shares(to_reference: Directed, to_prediction: Directed, distance_mm: float) -> float:
    shares = [
        _size_within(way, distance_mm) / float(way.sizes.sum()) for way in (to_reference, to_prediction)
    ]
    return sum(shares) / 2


SURFACE_DEFINITIONS: Mapping[str, SurfaceDefinition] = MappingProxyType(
    {
        "area": SurfaceDefinition(
            "area",
            "surface elements weighted with their area, larger directed percentile (surface-distance, BraTS)",
            _elements,
            _larger_weighted,
            _mean_of_both_means,
            _share_of_both,
        ),
        "directed": SurfaceDefinition(
            "directed",
            "border voxels, larger directed percentile (MONAI, Metrics Reloaded)",
            _border_voxels,
            _larger_percentile,
            _mean_over_both,
            _share_of_both,
        ),
        "pooled": SurfaceDefinition(
            "pooled",
            "border voxels, percentile of both directions together (medpy, nnU-Net v1, panoptica)",
            _border_voxels,
            _percentile_of_both,
            _mean_of_both_means,
            _mean_of_both_shares,
        ),
    }
)
