# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Which predicted lesions belong to which reference lesions.

Two ways are in use. ``touching`` (BraTS 2023 and 2024): reference components whose dilations meet are
one lesion, and every predicted component that touches the dilation belongs to it, whole; a component
may serve several lesions. ``best_pairs`` (BraTS 2025 and 2026): components are paired one to one so
that the sum of their Dice coefficients is the largest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from scripts.core.metrics.components import Labels, dilate, label_components

_LEAST_DICE = 1e-6


@dataclass(frozen=True, eq=False)
class Matching:
    """Lesions of both masks and what belongs together.

    Attributes:
        reference: Number of the reference lesion of each voxel, int32 ``(*S)``, 0 outside.
        prediction: Number of the predicted component of each voxel, int32 ``(*S)``.
        partners: For reference lesion ``i + 1`` the predicted components that belong to it.
        unmatched: Predicted components that belong to none.
    """

    reference: Labels
    prediction: Labels
    partners: tuple[tuple[int, ...], ...]
    unmatched: tuple[int, ...]


def match_touching(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], dilation_voxels: int
) -> Matching:
    """Merge reference components by dilation and give each whatever touches its dilation.

    Args:
        prediction: Bool ``(*S)``.
        reference: Bool ``(*S)``.
        dilation_voxels: Iterations of the dilation.

    Source: the challenge script of BraTS 2023 (Moawad et al. 2024, arXiv 2306.00838).
    """
    reach, lesions = label_components(dilate(reference, dilation_voxels))
    components, count = label_components(prediction)
    found = _pairs(components, reach, prediction)
    partners: list[list[int]] = [[] for _ in range(lesions)]
    for component, lesion in found:
        partners[lesion - 1].append(component)
    matched = {component for component, _ in found}
    return Matching(
        np.where(reference, reach, np.int32(0)),
        components,
        tuple(tuple(sorted(own)) for own in partners),
        tuple(component for component in range(1, count + 1) if component not in matched),
    )


def match_best_pairs(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], dilation_voxels: int
) -> Matching:
    """Pair components one to one for the largest sum of Dice coefficients.

    Args:
        prediction: Bool ``(*S)``.
        reference: Bool ``(*S)``.
        dilation_voxels: Iterations of a dilation that merges reference components first.

    Source: the evaluation of BraTS 2025, by panoptica (Kofler et al. 2023, arXiv 2312.02608).
    """
    reach, lesions = label_components(dilate(reference, dilation_voxels))
    lesion_map = np.where(reference, reach, np.int32(0)) if dilation_voxels else reach
    components, count = label_components(prediction)
    sizes_p = np.bincount(components.ravel(), minlength=count + 1)
    sizes_r = np.bincount(lesion_map.ravel(), minlength=lesions + 1)
    pairs, overlaps = _counted_pairs(components, lesion_map, prediction)
    # Pairs that do not overlap cost a little more than those that hardly do.
    cost = np.full((lesions, count), 1 + _LEAST_DICE)
    for (component, lesion), overlap in zip(pairs, overlaps, strict=True):
        dice = 2 * overlap / (sizes_p[component] + sizes_r[lesion])
        if dice >= _LEAST_DICE:
            cost[lesion - 1, component - 1] = 1 - dice
    partners: list[tuple[int, ...]] = [()] * lesions
    for row, column in zip(*linear_sum_assignment(cost), strict=True):
        if cost[row, column] < 1:
            partners[row] = (int(column) + 1,)
    matched = {component for own in partners for component in own}
    return Matching(
        lesion_map,
        components,
        tuple(partners),
        tuple(component for component in range(1, count + 1) if component not in matched),
    )


def _pairs(components: Labels, lesions: Labels, inside: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Component and lesion numbers that meet in a voxel."""
    return _counted_pairs(components, lesions, inside)[0]


def _counted_pairs(
    components: Labels, lesions: Labels, inside: NDArray[np.bool_]
) -> tuple[list[tuple[int, int]], NDArray[np.intp]]:
    """Pairs that meet, and in how many voxels."""
    both = inside & (lesions > 0)
    first, second = components[both].astype(np.int64), lesions[both]
    base = int(lesions.max(initial=0)) + 1
    codes, counts = np.unique(first * base + second, return_counts=True)
    return [(int(code // base), int(code % base)) for code in codes], counts


MatchLesions = Callable[[NDArray[np.bool_], NDArray[np.bool_], int], Matching]

MATCHINGS: Mapping[str, MatchLesions] = MappingProxyType(
    {"touching": match_touching, "best_pairs": match_best_pairs}
)
