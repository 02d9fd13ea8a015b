# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Area of the surface between voxel centres, by which of the eight (in 2-D four) corners are inside.

A surface element sits on the corner that 2x2x2 neighbouring voxels share and cuts the edges between
inside and outside voxel centres in the middle, as marching cubes does (Lorensen and Cline 1987).
Where a face is ambiguous the smaller side is cut apart, so an element depends only on the groups of
edge-connected corners on the smaller side, and each shape of a group has a closed form. Nikolov et
al. 2021 (arXiv 1809.04430) introduced the measure; the challenges use it.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, ...]


@functools.lru_cache(maxsize=64)
def element_sizes(spacing_mm: tuple[float, ...]) -> NDArray[np.float64]:
    """Size of the surface element of every neighbour code.

    Args:
        spacing_mm: Voxel size along each axis, three values or two.

    Returns:
        Float64 ``(256,)`` in mm² for three axes, ``(16,)`` in mm for two. Bit ``i`` of a code is set
        when corner ``i`` of ``itertools.product((0, 1), repeat=axes)`` is inside.
    """
    corners = list(itertools.product((0, 1), repeat=len(spacing_mm)))
    group_size = _group_area if len(spacing_mm) == 3 else _group_length
    sizes = np.zeros(2 ** len(corners))
    for code in range(len(sizes)):
        inside = [corner for bit, corner in enumerate(corners) if code >> bit & 1]
        outside = [corner for corner in corners if corner not in inside]
        smaller = min(inside, outside, key=len)
        sizes[code] = sum(group_size(group, spacing_mm) for group in _edge_connected(smaller))
    sizes.flags.writeable = False
    return sizes


def _edges(group: Iterable[Corner]) -> list[tuple[int, Corner, Corner]]:
    """Edges inside a group of corners: axis and both ends."""
    return [
        (axis, a, b)
        for a, b in itertools.combinations(sorted(group), 2)
        for axis in range(len(a))
        if sum(x != y for x, y in zip(a, b, strict=True)) == 1 and a[axis] != b[axis]
    ]


def _edge_connected(corners: list[Corner]) -> list[set[Corner]]:
    groups = [{corner} for corner in corners]
    for _, a, b in _edges(corners):
        first, second = (next(group for group in groups if end in group) for end in (a, b))
        if first is not second:
            first |= second
            groups.remove(second)
    return groups


def _group_area(group: set[Corner], spacing_mm: tuple[float, ...]) -> float:
    """Area of the sheet that parts up to four edge-connected corners of a cube from the rest."""
    face = [spacing_mm[1] * spacing_mm[2], spacing_mm[0] * spacing_mm[2], spacing_mm[0] * spacing_mm[1]]
    oblique = math.hypot(*face)
    edges = _edges(group)
    axes = [axis for axis, _, _ in edges]
    degree = {corner: sum(corner in ends for _, *ends in edges) for corner in group}
    if len(group) == 1:  # a corner cut off
        return oblique / 8
    if len(group) == 2:  # an edge cut off
        return math.hypot(*(face[axis] for axis in range(3) if axis != axes[0])) / 2
    if len(group) == 3:  # three corners of a face: half of that face and an oblique trapezium
        return face[3 - sum(axes)] / 2 + 3 / 8 * oblique
    if len(edges) == 4:  # a face
        return face[3 - sum(set(axes))]
    if max(degree.values()) == 3:  # a corner with its three neighbours: a hexagon
        return 3 / 4 * oblique
    # A chain that steps along all three axes: an oblique part and a bevel beside each end.
    middle = next(axis for axis, a, b in edges if degree[a] == degree[b] == 2)
    bevels = sum(math.hypot(face[middle], face[axis]) for axis in range(3) if axis != middle)
    return oblique / 2 + bevels / 4


def _group_length(group: set[Corner], spacing_mm: tuple[float, ...]) -> float:
    """Length of the line that parts one or two edge-connected corners of a square from the rest."""
    if len(group) == 1:
        return math.hypot(*spacing_mm) / 2
    return spacing_mm[_edges(group)[0][0]] if group else 0.0
