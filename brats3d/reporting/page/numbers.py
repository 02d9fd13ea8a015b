"""Numbers as text on a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

_VOLUMES = ("volume_ref_ml", "volume_pred_ml")
NOTHING = "–"  # noqa: RUF001  (an en dash stands for no value)


def number(value: float | None, places: int = 3) -> str:
    """Write a number with so many decimal places; a dash where there is none."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"  # noqa: RUF001
    text = f"{value:,.{places}f}"
    return text.replace("-", "−") if float(f"{value:.{places}f}") else text.lstrip("-")  # noqa: RUF001


def millilitres(volume: float | None) -> str:
    """Write a volume; one too small for its decimal places is not written as none."""
    return "< 0.01" if volume is not None and 0 < volume < 0.005 else number(volume, 2)


def score(metric: str, value: float | None) -> str:
    """Write the value of a metric."""
    return millilitres(value) if metric in _VOLUMES else number(value, places_of(metric))


def signed(value: float | None, places: int = 3) -> str:
    """Write a number with its sign."""
    if value is None or not math.isfinite(value) or not round(value, places):
        return number(value, places)
    return ("+" if value > 0 else "") + number(value, places)


def percent(share: float | None, places: int = 1) -> str:
    """Write a share as a percentage."""
    return NOTHING if share is None or math.isnan(share) else f"{number(100 * share, places)} %"


def places_of(metric: str) -> int:
    """Decimal places that a metric is written with."""
    if metric in {"lesion_tp", "lesion_fp", "lesion_fn"}:
        return 2
    return 2 if metric.endswith(("_mm", "_ml")) and "nsd" not in metric else 3


def p_value(value: float | None) -> str:
    """Write a p value."""
    if value is None or math.isnan(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "number": number,
    "millilitres": millilitres,
    "signed": signed,
    "percent": percent,
    "p_value": p_value,
}
