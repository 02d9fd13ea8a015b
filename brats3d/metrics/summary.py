"""A table of region scores summed up: statistics that state what they rest on, and a printed table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import brats3d
from brats3d.metrics.empty_policy import (
    BOTH_EMPTY,
    BRATS2023,
    NEITHER_EMPTY,
    PREDICTION_EMPTY,
    PREDICTION_MISSING,
    REFERENCE_EMPTY,
    EmptyPolicy,
)
from brats3d.metrics.region_table import METRICS, RegionRow
from brats3d.metrics.surfaces import SURFACE_DEFINITIONS
from brats3d.registry import look_up

_FAILURES = (PREDICTION_EMPTY, REFERENCE_EMPTY, PREDICTION_MISSING)


def summarise(
    rows: Iterable[RegionRow], *, definition: str = "area", policy: EmptyPolicy = BRATS2023
) -> dict[str, Any]:
    """Sum up a table, per region and over the regions.

    Args:
        rows: The table.
        definition: Surface definition the rows were computed with.
        policy: Empty policy the rows were computed with.

    Returns:
        JSON content: ``brats3d`` (version), ``definitions``, ``empty_policy``, ``cases``, ``regions``
        (per region: ``cases``, how many had which mask empty, and per metric ``n``, ``undefined``,
        ``penalised``, ``mean``, ``sd``, ``median``, ``q25``, ``q75``, ``min``, ``max``) and ``mean``
        (the same per metric over the cases' means of their regions).
    """
    table = list(rows)
    regions = dict.fromkeys(row.region for row in table)
    return {
        "brats3d": brats3d.__version__,
        "definitions": {
            "dice": "2 TP / (2 TP + FP + FN)",
            "iou": "TP / (TP + FP + FN)",
            "sensitivity": "TP / (TP + FN)",
            "specificity": "TN / (TN + FP)",
            "precision": "TP / (TP + FP)",
            "hd95_mm": f"{definition}: {look_up(SURFACE_DEFINITIONS, definition, 'definition').description}",
        },
        "empty_policy": policy.as_dict(),
        "cases": len({row.case_id for row in table}),
        "regions": {name: _region([row for row in table if row.region == name], policy) for name in regions},
        "mean": _mean_over_regions(table),
    }


def _region(rows: Sequence[RegionRow], policy: EmptyPolicy) -> dict[str, Any]:
    states = [row.empty for row in rows]
    metrics = {}
    for metric in METRICS:
        metrics[metric] = _statistics([getattr(row, metric) for row in rows])
        penalised = [state for state in states if state in _FAILURES and policy.decides(metric, state)]
        metrics[metric]["penalised"] = len(penalised)
    return {
        "cases": len(rows),
        "neither_empty": states.count(NEITHER_EMPTY),
        "both_empty": states.count(BOTH_EMPTY),
        "prediction_empty": states.count(PREDICTION_EMPTY),
        "reference_empty": states.count(REFERENCE_EMPTY),
        "prediction_missing": states.count(PREDICTION_MISSING),
        **metrics,
    }


def _mean_over_regions(rows: Sequence[RegionRow]) -> dict[str, Any]:
    cases: dict[str, list[RegionRow]] = {}
    for row in rows:
        cases.setdefault(row.case_id, []).append(row)
    result = {}
    for metric in METRICS:
        # A case with an undefined region has an undefined mean: a value never drops out unseen.
        means = [math.fsum(getattr(row, metric) for row in own) / len(own) for own in cases.values()]
        result[metric] = _statistics(means)
    return result


def _statistics(values: Sequence[float]) -> dict[str, float | int]:
    """Statistics of the defined values; an infinite one makes the mean infinite, not absent."""
    defined = np.array([value for value in values if not math.isnan(value)], dtype=np.float64)
    n = len(defined)
    finite = bool(np.isfinite(defined).all())
    q25, median, q75 = _quartiles(defined, interpolate=finite) if n else [math.nan] * 3
    return {
        "n": n,
        "undefined": len(values) - n,
        "mean": float(defined.mean()) if n else math.nan,
        "sd": float(defined.std(ddof=1)) if n > 1 and finite else math.nan,
        "median": median,
        "q25": q25,
        "q75": q75,
        "min": float(defined.min()) if n else math.nan,
        "max": float(defined.max()) if n else math.nan,
    }


def _quartiles(values: NDArray[np.float64], *, interpolate: bool) -> list[float]:
    """25, 50 and 75 %; between two infinities interpolation would be NaN."""
    if interpolate:
        return [float(value) for value in np.quantile(values, [0.25, 0.5, 0.75])]
    return [float(value) for value in np.quantile(values, [0.25, 0.5, 0.75], method="inverted_cdf")]


def format_table(rows: Iterable[RegionRow]) -> str:
    """Lay out mean ± standard deviation per region, and over the regions, as plain text.

    The column ``empty`` counts the cases with no such region on either side, ``failed`` those where
    only one side has it or the prediction is missing; both are part of every mean.
    """
    table = list(rows)
    summary = summarise(table)
    lines: list[tuple[str, ...]] = [
        ("Region", "cases", "empty", "failed", "Dice", "HD95 (mm)", "sensitivity", "precision")
    ]
    for name, region in summary["regions"].items():
        failed = sum(region[state] for state in ("prediction_empty", "reference_empty", "prediction_missing"))
        lines.append((name, str(region["cases"]), str(region["both_empty"]), str(failed), *_cells(region)))
    lines.append(("mean", str(summary["cases"]), "", "", *_cells(summary["mean"])))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    texts = [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    ]
    rule = "─" * max(map(len, texts))
    return "\n".join([texts[0], rule, *texts[1:-1], rule, texts[-1]])


def _cells(statistics: dict[str, Any]) -> tuple[str, ...]:
    digits = {"dice": 3, "hd95_mm": 1, "sensitivity": 3, "precision": 3}
    return tuple(_plus_minus(statistics[metric], places) for metric, places in digits.items())


def _plus_minus(statistics: dict[str, float], places: int) -> str:
    mean, sd = statistics["mean"], statistics["sd"]
    if math.isnan(mean):
        return "-"
    text = f"{mean:.{places}f}" + ("" if math.isnan(sd) else f" ± {sd:.{places}f}")
    return text + (f" (n={statistics['n']})" if statistics["undefined"] else "")
