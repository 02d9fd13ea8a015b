# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Scoring a case: one row per region, one per lesion."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.core.errors import DataError
from scripts.core.metrics.agreement import Agreement
from scripts.core.metrics.boxes import bounding_box
from scripts.core.metrics.counts import Counts
from scripts.core.metrics.lesions import LesionRow
from scripts.core.metrics.metric import metrics_of
from scripts.core.metrics.profiles import DEFAULT_PROFILE, Profile
from scripts.core.registry import look_up


@dataclass(frozen=True)
class RegionRow:
    """Scores of one region of one case; ``row["dice"]`` reads one.

    Attributes:
        case_id: Case.
        region: Region name.
        scores: Metric to value, in column order: see :func:`~brats3d.metrics.metric.metrics_of`.
        empty: Which mask is empty: nothing (neither), ``both``, ``prediction``, ``reference``, or
            ``missing`` when there is no prediction file. Where it says something the scores are those
            of the empty policy, not of the formulas.
        counts: Voxels by agreement.
    """

    case_id: str
    region: str
    scores: Mapping[str, float]
    empty: str
    counts: Counts

    def __getitem__(self, metric: str) -> float:
        """Return the value of a metric."""
        return self.scores[metric]


@dataclass(frozen=True)
class CaseScores:
    """Scores of one case.

    Attributes:
        rows: One per region.
        lesions: One per lesion, region by region.
    """

    rows: tuple[RegionRow, ...]
    lesions: tuple[LesionRow, ...]


def evaluate_case(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    *,
    spacing_mm: Sequence[float],
    regions: Sequence[str],
    case_id: str,
    profile: Profile = DEFAULT_PROFILE,
    background_outside: int = 0,
    missing: bool = False,
    only: Sequence[str] | None = None,
) -> CaseScores:
    """Score every region of one case.

    Args:
        prediction: Bool ``(R, *S)``, two or three spatial axes.
        reference: Bool ``(R, *S)``.
        spacing_mm: Voxel size along each spatial axis.
        regions: Names of the ``R`` regions.
        case_id: Case, for the rows and for messages.
        profile: The rules, one of :data:`~brats3d.metrics.profiles.PROFILES` or a changed copy
            (``dataclasses.replace``).
        background_outside: Voxels beyond the arrays that are background in both (when the caller
            cropped); they count as true negatives.
        missing: Whether there is no prediction at all (``prediction`` is then all False).
        only: Names of the metrics to compute; None computes all. Without a lesion-wise one no lesions
            are returned.

    Raises:
        DataError: Shapes, number of regions, spacing or values that cannot be scored.
        ConfigError: An unknown metric.
    """
    prediction, reference = (_as_masks(mask, case_id) for mask in (prediction, reference))
    spacing = _check(prediction, reference, spacing_mm, regions, case_id)
    voxels = math.prod(reference.shape[1:]) + background_outside
    box = (slice(None), *bounding_box(*prediction, *reference))
    known = metrics_of(profile)
    metrics = known.values() if only is None else [look_up(known, name, "only") for name in only]
    lesion_wise = any(metric.name.startswith("lesion_") for metric in metrics)
    rows: list[RegionRow] = []
    lesions: list[LesionRow] = []
    for region, p, r in zip(regions, prediction[box], reference[box], strict=True):
        own = bounding_box(p, r)
        agreement = Agreement(
            p[own],
            r[own],
            spacing_mm=spacing,
            profile=profile,
            case_id=case_id,
            region=region,
            background_outside=voxels - math.prod(r[own].shape),
            missing=missing,
        )
        scores = {metric.name: metric.value(agreement) for metric in metrics}
        rows.append(RegionRow(case_id, region, scores, agreement.empty, agreement.counts))
        if lesion_wise:
            lesions += agreement.lesions.lesions
    return CaseScores(tuple(rows), tuple(lesions))


def _as_masks(masks: NDArray[Any], case_id: str) -> NDArray[np.bool_]:
    array = np.asarray(masks)
    if array.dtype == bool:
        return array
    if not ((array == 0) | (array == 1)).all():
        raise DataError(
            "a region mask holds values other than 0 and 1",
            where=case_id,
            got=f"dtype {array.dtype}, values from {array.min():g} to {array.max():g}",
            expected="one boolean mask per region",
            remedy="threshold probabilities, or turn labels into regions with LabelConvention.to_regions",
        )
    return array.astype(bool)


def _check(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing_mm: Sequence[float],
    regions: Sequence[str],
    case_id: str,
) -> tuple[float, ...]:
    """Check what the caller gave and return the spacing as floats."""
    spacing = tuple(float(size) for size in spacing_mm)
    if prediction.shape != reference.shape or len(reference) != len(regions):
        raise DataError(
            "prediction and reference do not have the same grid or regions",
            where=case_id,
            got=f"prediction {prediction.shape}, reference {reference.shape}",
            expected=f"both (R, *S) with {len(regions)} regions ({', '.join(regions)})",
        )
    axes = reference.ndim - 1
    if axes not in (2, 3) or len(spacing) != axes or not all(0 < size < math.inf for size in spacing):
        raise DataError(
            "the spacing does not fit the masks",
            where=case_id,
            got=f"spacing {spacing} mm for masks of {axes} spatial axes",
            expected="one positive voxel size per spatial axis, two or three",
        )
    return spacing
