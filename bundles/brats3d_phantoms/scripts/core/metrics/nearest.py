# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Distance from points of a grid to the nearest of other points of the same grid, in millimetres.

Between the surfaces of two segmentations most distances are a few voxels. Looking at the grid in steps
of growing length costs about a nanosecond per point and step; a k-d tree search costs about a
microsecond per point. So the steps go first, for as long as they pay, and the tree finds the rest.
Both are exact.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

_REACH = 8  # voxels a step may go along an axis
_MOST_STEPS = 1024
# In units of one point looked up one step away (about 0.6 ns), as measured: a step as such, a point
# put into a tree, a point searched for in a tree.
_STEP_COST, _BUILD_COST, _SEARCH_COST = 4000, 100, 2000


@dataclass(frozen=True)
class Neighbourhood:
    """All steps on a grid up to some length, shortest first.

    Attributes:
        steps: Voxels along each axis, ``(n, axes)``.
        lengths_mm: Length of each step, float64 ``(n,)``.
        rings: First step of each group of steps of one length, and ``n``.
        reach: Furthest step along each axis, voxels.
    """

    steps: NDArray[np.intp]
    lengths_mm: NDArray[np.float64]
    rings: tuple[int, ...]
    reach: tuple[int, ...]


@functools.lru_cache(maxsize=64)
def neighbourhood(spacing_mm: tuple[float, ...]) -> Neighbourhood:
    """List the steps that :func:`nearest_mm` takes on a grid of this voxel size."""
    axes = len(spacing_mm)
    cube = np.indices((2 * _REACH + 1,) * axes).reshape(axes, -1).T - _REACH
    lengths = np.sqrt(((cube * np.asarray(spacing_mm)) ** 2).sum(axis=1))
    # Beyond this length the cube does not hold every step.
    complete = np.flatnonzero((lengths > 0) & (lengths < (_REACH + 1) * min(spacing_mm)))
    order = complete[np.argsort(lengths[complete], kind="stable")][:_MOST_STEPS]
    steps, lengths = cube[order], lengths[order]
    longer = np.flatnonzero(np.diff(lengths) > 1e-12 * lengths[-1]) + 1
    return Neighbourhood(
        steps, lengths, (0, *longer.tolist(), len(steps)), tuple(np.abs(steps).max(axis=0).tolist())
    )


def nearest_mm(
    positions: NDArray[np.intp],
    others: NDArray[np.intp],
    shape: tuple[int, ...],
    spacing_mm: tuple[float, ...],
) -> NDArray[np.float64]:
    """Distance from each point to the nearest of the others.

    Args:
        positions: Flat indices into a grid of ``shape``, ``(n,)``.
        others: The same for the others, ``(m,)``, at least one.
        shape: Shape of the grid. Its high end along each axis must be free of points for as many
            voxels as :func:`neighbourhood` reaches, so that no step leads into the next row.
        spacing_mm: Voxel size along each axis.

    Returns:
        Millimetres, float64 ``(n,)``.
    """
    near = neighbourhood(spacing_mm)
    offsets = near.steps @ np.cumprod((1, *shape[:0:-1]))[::-1]
    margin = int(np.abs(offsets).max())
    occupied = np.zeros(math.prod(shape) + 2 * margin, dtype=np.bool_)
    occupied[others + margin] = True
    distances = np.zeros(len(positions))
    apart = np.flatnonzero(~occupied[margin:].take(positions))
    distances[apart], missed = _step_out(
        positions[apart], occupied, (margin + offsets).tolist(), near, len(others)
    )
    rest = apart[missed]
    if rest.size:
        # A tree without balancing builds faster and searches as fast on points of a grid.
        tree = cKDTree(_points_mm(others, shape, spacing_mm), balanced_tree=False, compact_nodes=False)
        distances[rest] = tree.query(_points_mm(positions[rest], shape, spacing_mm))[0]
    return distances


def _step_out(
    places: NDArray[np.intp],
    occupied: NDArray[np.bool_],
    starts: list[int],
    near: Neighbourhood,
    others: int,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Take steps from all places at once, until all have found another point or it no longer pays.

    Args:
        places: Flat indices of the points.
        occupied: Where the other points are, flat.
        starts: For each step, where the view of ``occupied`` begins that is shifted by it.
        near: The steps.
        others: Number of the other points.

    Returns:
        Distances of the points that have found another, and the indices of those that have not.
    """
    distances = np.zeros(len(places))
    rest = np.arange(len(places))
    searched, check = rest.size, 16
    for begin, end in itertools.pairwise(near.rings):
        hit = occupied[starts[begin] :].take(places)
        for start in starts[begin + 1 : end]:
            hit |= occupied[start:].take(places)
        distances[rest[hit]] = near.lengths_mm[begin]
        missed = ~hit
        rest, places = rest[missed], places[missed]
        if rest.size == 0:
            break
        if end >= check:
            # As many steps again will find about the share of the points that the last ones found. At
            # least a tenth is hoped for: surfaces a few voxels apart all around are found late.
            share = max(0.1, 1 - rest.size / searched)
            tree_cost = _BUILD_COST * others + _SEARCH_COST * rest.size
            if share * tree_cost < end * (_STEP_COST + rest.size):
                break
            searched, check = rest.size, 2 * end
    return distances, rest


def _points_mm(
    positions: NDArray[np.intp], shape: tuple[int, ...], spacing_mm: tuple[float, ...]
) -> NDArray[np.float64]:
    return np.stack(np.unravel_index(positions, shape), axis=1) * np.asarray(spacing_mm)
