# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""The metrics by name: what each says, which way is better, and how it is read from an agreement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scripts.core.metrics.agreement import Agreement
from scripts.core.metrics.profiles import Profile


@dataclass(frozen=True)
class Metric:
    """A column of the table.

    Attributes:
        name: Column name; a unit stands at its end.
        description: Definition, for result files.
        higher_is_better: None where there is no better (volumes) or it depends on the sign.
        compute: Reads the value; the empty policy decides when it is asked.
        policy_key: Line of the empty policy that applies.
    """

    name: str
    description: str
    higher_is_better: bool | None
    compute: Callable[[Agreement], float]
    policy_key: str = ""

    def value(self, agreement: Agreement) -> float:
        """Return the value, which is the policy's where that decides."""
        return agreement.profile.policy.value(
            self.policy_key or self.name, agreement.state, lambda: self.compute(agreement)
        )

    def decided(self, profile: Profile, empty: str) -> bool:
        """Whether the policy gives the value in this state, rather than the formula."""
        return profile.policy.decides(self.policy_key or self.name, empty)


_OVERLAP = (
    Metric("dice", "2 TP / (2 TP + FP + FN)", True, lambda found: found.counts.dice),
    Metric("iou", "TP / (TP + FP + FN)", True, lambda found: found.counts.iou),
    Metric("sensitivity", "TP / (TP + FN)", True, lambda found: found.counts.sensitivity),
    Metric("specificity", "TN / (TN + FP)", True, lambda found: found.counts.specificity),
    Metric("precision", "TP / (TP + FP)", True, lambda found: found.counts.precision),
)
_VOLUMES = (
    Metric(
        "volume_pred_ml",
        "volume of the prediction",
        None,
        lambda found: found.counts.predicted * found.voxel_ml,
    ),
    Metric(
        "volume_ref_ml",
        "volume of the reference",
        None,
        lambda found: found.counts.referenced * found.voxel_ml,
    ),
)
_FURTHER_OVERLAP = (
    Metric("accuracy", "(TP + TN) / all voxels", True, lambda found: found.counts.accuracy),
    Metric(
        "matthews_correlation",
        "Matthews correlation coefficient",
        True,
        lambda found: found.counts.matthews_correlation,
    ),
    Metric(
        "relative_volume_error",
        "(predicted - reference volume) / reference volume",
        None,
        lambda found: found.counts.relative_volume_error,
    ),
)
_LESION_COUNTS = (
    Metric("lesion_tp", "reference lesions found", True, lambda found: found.lesions.tp),
    Metric("lesion_fp", "predicted lesions that are none", False, lambda found: found.lesions.fp),
    Metric("lesion_fn", "reference lesions missed", False, lambda found: found.lesions.fn),
)


def metrics_of(profile: Profile) -> Mapping[str, Metric]:
    """Return the metrics under a profile, in column order, by name."""
    distances = f"surfaces by the definition {profile.definition!r}"
    metrics = (
        *_OVERLAP,
        Metric(
            "hd95_mm",
            f"95 % Hausdorff distance, {distances}",
            False,
            lambda found: found.surfaces.hausdorff_mm(95),
        ),
        *_VOLUMES,
        *_FURTHER_OVERLAP,
        Metric(
            "hd100_mm",
            f"Hausdorff distance, {distances}",
            False,
            lambda found: found.surfaces.hausdorff_mm(100),
        ),
        Metric(
            "asd_mm",
            f"average surface distance, {distances}",
            False,
            lambda found: found.surfaces.average_mm(),
        ),
        *(_nsd(tolerance, distances) for tolerance in profile.nsd_tolerances_mm),
        Metric("lesion_dice", "mean Dice over lesions", True, lambda found: found.lesions.dice),
        Metric(
            "lesion_hd95_mm",
            f"mean 95 % Hausdorff distance over lesions, {distances}",
            False,
            lambda found: found.lesions.hd95_mm,
        ),
        *(_lesion_nsd(tolerance, distances) for tolerance in profile.nsd_tolerances_mm),
        *_LESION_COUNTS,
    )
    return {metric.name: metric for metric in metrics}


def _nsd(tolerance_mm: float, distances: str) -> Metric:
    return Metric(
        f"nsd_{tolerance_mm:g}mm",
        f"normalised surface Dice within {tolerance_mm:g} mm, {distances}",
        True,
        lambda found: found.surfaces.nsd(tolerance_mm),
        "nsd",
    )


def _lesion_nsd(tolerance_mm: float, distances: str) -> Metric:
    return Metric(
        f"lesion_nsd_{tolerance_mm:g}mm",
        f"mean normalised surface Dice within {tolerance_mm:g} mm over lesions, {distances}",
        True,
        lambda found: found.lesions.nsd[tolerance_mm],
        "lesion_nsd",
    )
