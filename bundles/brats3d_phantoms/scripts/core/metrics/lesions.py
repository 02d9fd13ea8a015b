# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Lesion-wise scores: every lesion counts the same, large or small.

What a lesion is, which are left out and what a missed or invented one costs differs from challenge to
challenge; :class:`LesionRules` holds it all, and :mod:`brats3d.metrics.profiles` the tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from scripts.core.metrics.boxes import Box, bounding_box
from scripts.core.metrics.components import Labels
from scripts.core.metrics.counts import Counts, count_voxels
from scripts.core.metrics.islands import islands
from scripts.core.metrics.lesion_matching import MATCHINGS, Matching
from scripts.core.metrics.surfaces import SurfaceDistances, surface_distances

_Distances = tuple[float, Mapping[float, float]]
"""95 % Hausdorff distance, mm, and normalised surface Dice by tolerance in mm."""

TRUE_POSITIVE, FALSE_NEGATIVE, FALSE_POSITIVE, DROPPED = "tp", "fn", "fp", "dropped"


@dataclass(frozen=True)
class LesionRules:
    """How lesions are found, matched, left out and averaged.

    Attributes:
        matching: A key of :data:`~brats3d.metrics.lesion_matching.MATCHINGS`.
        dilation_voxels: Reference components whose dilations by this much meet are one lesion.
        threshold_mm3: Reference lesions of up to this volume are dropped (in 2-D: mm²); predicted
            components that belong to them are not false positives.
        region_thresholds_mm3: The same for single regions.
        at_threshold_counts: Whether a lesion of exactly that volume counts.
        unmatched_in_mean: Whether missed and invented lesions enter the means, with Dice and NSD 0
            and the penalty distance; without, the means are over pairs that overlap.
        detection_dice: A matched lesion of less Dice is missed (it keeps its own scores).
        needs_reference: Whether the means are undefined without a reference lesion that counts.
        penalty_mm: Distance of a missed or invented lesion.
        nothing: Dice, NSD and distance where there is no lesion at all.
    """

    matching: str = "touching"
    dilation_voxels: int = 3
    threshold_mm3: float = 50.0
    region_thresholds_mm3: Mapping[str, float] = field(default_factory=dict)
    at_threshold_counts: bool = False
    unmatched_in_mean: bool = True
    detection_dice: float = 0.0
    needs_reference: bool = False
    penalty_mm: float = 374.0
    nothing: tuple[float, float, float] = (1.0, 1.0, 0.0)

    def __post_init__(self) -> None:
        """Freeze the table."""
        object.__setattr__(self, "region_thresholds_mm3", MappingProxyType(dict(self.region_thresholds_mm3)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the read-only view."""
        return LesionRules, tuple(self.as_dict().values())

    def as_dict(self) -> dict[str, Any]:
        """Return the rules as plain content, in the order of the attributes."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**values, "region_thresholds_mm3": dict(self.region_thresholds_mm3)}

    def kind(self, region: str, voxels: Counts, volume_mm3: float) -> str:
        """Say what became of a reference lesion: ``dropped``, ``tp`` or ``fn``.

        Args:
            region: Region name.
            voxels: Agreement of the lesion with what was matched to it.
            volume_mm3: Volume of the lesion (in 2-D: area in mm²).
        """
        threshold = self.region_thresholds_mm3.get(region, self.threshold_mm3)
        if not (volume_mm3 > threshold or (self.at_threshold_counts and volume_mm3 == threshold)):
            return DROPPED
        found = voxels.predicted and voxels.dice >= self.detection_dice
        return TRUE_POSITIVE if found else FALSE_NEGATIVE


@dataclass(frozen=True)
class LesionRow:
    """Scores of one lesion.

    Attributes:
        case_id: Case.
        region: Region name.
        lesion: Number within case and region: reference lesions from 1, then invented ones.
        kind: ``tp``, ``fn``, ``fp``, or ``dropped`` (too small to count).
        volume_ref_ml: Volume in the reference; NaN for 2-D images.
        volume_pred_ml: Volume of all predicted components that belong to it.
        dice: Dice coefficient, 0 to 1.
        hd95_mm: 95 % Hausdorff distance, or the penalty.
        nsd: Normalised surface Dice by tolerance in mm, 0 to 1.
    """

    case_id: str
    region: str
    lesion: int
    kind: str
    volume_ref_ml: float
    volume_pred_ml: float
    dice: float
    hd95_mm: float
    nsd: Mapping[float, float]


@dataclass(frozen=True)
class LesionScores:
    """Lesions of one region of one case and their means.

    Attributes:
        lesions: All of them, dropped ones too.
        dice: Mean Dice coefficient.
        hd95_mm: Mean 95 % Hausdorff distance.
        nsd: Mean normalised surface Dice by tolerance in mm.
        tp: Reference lesions that were found.
        fp: Predicted components that belong to no reference lesion.
        fn: Reference lesions that were missed.
    """

    lesions: tuple[LesionRow, ...]
    dice: float
    hd95_mm: float
    nsd: Mapping[float, float]
    tp: int
    fp: int
    fn: int


def score_lesions(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    *,
    spacing_mm: tuple[float, ...],
    rules: LesionRules,
    definition: str,
    tolerances_mm: Sequence[float],
    case_id: str,
    region: str,
    whole: Callable[[], SurfaceDistances] | None = None,
) -> LesionScores:
    """Score a region lesion by lesion.

    Args:
        prediction: Bool ``(*S)``, two or three axes.
        reference: Bool ``(*S)``.
        spacing_mm: Voxel size along each axis.
        rules: How lesions are found, matched and averaged.
        definition: Surface definition of the distances.
        tolerances_mm: Tolerances of the normalised surface Dice.
        case_id: Case, for the rows.
        region: Region, for the rows and the threshold.
        whole: Gives the distances between the two masks as they are; asked instead of measuring
            again where one lesion is all there is.
    """
    voxel_mm3 = math.prod(spacing_mm)
    to_ml = voxel_mm3 / 1000 if len(spacing_mm) == 3 else math.nan
    everything = (int(np.count_nonzero(prediction)), int(np.count_nonzero(reference)))

    def distances(mask_p: NDArray[np.bool_], mask_r: NDArray[np.bool_], voxels: Counts) -> _Distances:
        if not voxels.predicted:
            return rules.penalty_mm, dict.fromkeys(tolerances_mm, 0.0)
        if whole is not None and (voxels.predicted, voxels.referenced) == everything:
            measured = whole()
        else:
            measured = surface_distances(mask_p, mask_r, spacing_mm=spacing_mm, definition=definition)
        return measured.hausdorff_mm(95), {mm: measured.nsd(mm) for mm in tolerances_mm}

    rows: list[LesionRow] = []
    invented: list[int] = []
    # Two lesions whose dilations meet are at most this far apart.
    reach = 2 * rules.dilation_voxels + 1
    for box, own in islands(prediction | reference, reach):
        matching = _match(prediction[box] & own, reference[box] & own, rules)
        for mask_p, mask_r in _lesion_masks(matching):
            voxels = count_voxels(mask_p, mask_r)
            kind = rules.kind(region, voxels, voxels.referenced * voxel_mm3)
            volumes = (voxels.referenced * to_ml, voxels.predicted * to_ml)
            hd95_mm, nsd = distances(mask_p, mask_r, voxels)
            rows.append(LesionRow(case_id, region, len(rows) + 1, kind, *volumes, voxels.dice, hd95_mm, nsd))
        invented += _sizes(matching.prediction, matching.unmatched)
    for size in invented:
        volumes, none = (0 * to_ml, size * to_ml), dict.fromkeys(tolerances_mm, 0.0)
        number = len(rows) + 1
        rows.append(LesionRow(case_id, region, number, FALSE_POSITIVE, *volumes, 0.0, rules.penalty_mm, none))
    return _averaged(rows, rules, tolerances_mm)


def _sizes(labels: Labels, components: Sequence[int]) -> list[int]:
    if not components:
        return []
    counts = np.bincount(labels[labels > 0])
    return [int(counts[component]) for component in components]


def _match(prediction: NDArray[np.bool_], reference: NDArray[np.bool_], rules: LesionRules) -> Matching:
    """Match in the box of both, with room for the dilation."""
    box = bounding_box(prediction, reference)
    padded = [np.pad(mask[box], rules.dilation_voxels) for mask in (prediction, reference)]
    return MATCHINGS[rules.matching](padded[0], padded[1], rules.dilation_voxels)


def _averaged(rows: Sequence[LesionRow], rules: LesionRules, tolerances_mm: Sequence[float]) -> LesionScores:
    kinds = [row.kind for row in rows]
    counted = [row for row in rows if row.kind != DROPPED]
    averaged = counted
    if not rules.unmatched_in_mean:
        averaged = [row for row in counted if row.dice > 0]
    if not counted or (rules.needs_reference and all(row.kind == FALSE_POSITIVE for row in counted)):
        dice, nsd_value, hd95_mm = rules.nothing
        nsd = dict.fromkeys(tolerances_mm, nsd_value)
    elif not averaged:
        dice, hd95_mm, nsd = 0.0, rules.penalty_mm, dict.fromkeys(tolerances_mm, 0.0)
    else:
        dice = math.fsum(row.dice for row in averaged) / len(averaged)
        hd95_mm = math.fsum(row.hd95_mm for row in averaged) / len(averaged)
        nsd = {
            tolerance: math.fsum(row.nsd[tolerance] for row in averaged) / len(averaged)
            for tolerance in tolerances_mm
        }
    tp, fp, fn = (kinds.count(kind) for kind in (TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE))
    return LesionScores(tuple(rows), dice, hd95_mm, nsd, tp, fp, fn)


def _lesion_masks(matching: Matching) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Prediction and reference of every reference lesion, cropped to the box of both."""
    boxes_r = ndimage.find_objects(matching.reference, max_label=len(matching.partners))
    boxes_p = ndimage.find_objects(matching.prediction)
    masks = []
    for number, own in enumerate(matching.partners, start=1):
        box = _union([boxes_r[number - 1], *(boxes_p[component - 1] for component in own)])
        masks.append((_members(matching.prediction[box], own), matching.reference[box] == number))
    return masks


def _members(labels: Labels, chosen: Sequence[int]) -> NDArray[np.bool_]:
    table = np.zeros(int(labels.max(initial=0)) + 1, dtype=bool)
    table[list(chosen)] = True
    return table[labels]


def _union(boxes: Sequence[Box]) -> Box:
    return tuple(
        slice(min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes))
        for axis in range(len(boxes[0]))
    )
