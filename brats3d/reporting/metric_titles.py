"""How the figures call the metrics, and on which scales they draw them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from brats3d.metrics import DEFAULT_PROFILE, metrics_of

_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "dice": "Dice",
        "iou": "IoU",
        "sensitivity": "Sensitivity",
        "specificity": "Specificity",
        "precision": "Precision",
        "hd95_mm": "HD95, mm",
        "hd100_mm": "HD100, mm",
        "asd_mm": "Average distance, mm",
        "volume_pred_ml": "Predicted volume, ml",
        "volume_ref_ml": "Reference volume, ml",
        "accuracy": "Accuracy",
        "matthews_correlation": "Matthews correlation",
        "relative_volume_error": "Relative volume error",
        "lesion_dice": "Lesion Dice",
        "lesion_hd95_mm": "Lesion HD95, mm",
        "lesion_tp": "Lesions found",
        "lesion_fp": "Lesions invented",
        "lesion_fn": "Lesions missed",
    }
)
_NSD = {"nsd_": "NSD", "lesion_nsd_": "Lesion NSD"}
_SHARES = ("dice", "iou", "sensitivity", "precision", "lesion_dice")
_COUNTS = ("lesion_tp", "lesion_fp", "lesion_fn")


def metric_title(name: str) -> str:
    """Name of a metric as a person writes it, with its unit; of an unknown one its own words."""
    for prefix, title in _NSD.items():
        if name.startswith(prefix):
            return f"{title} within {name.removeprefix(prefix).removesuffix('mm')} mm"
    return _TITLES.get(name, name.replace("_", " "))


def direction(name: str) -> str:
    """Arrow that says which way is better; empty where there is no better or it is not known."""
    metric = metrics_of(DEFAULT_PROFILE).get(name)
    better = metric.higher_is_better if metric is not None else True if "nsd_" in name else None
    return {True: "↑", False: "↓", None: ""}[better]


def is_share(name: str) -> bool:
    """Whether a metric is drawn from 0 to 1."""
    return name in _SHARES or "nsd_" in name


def is_count(name: str) -> bool:
    """Whether a metric is a whole number."""
    return name in _COUNTS
