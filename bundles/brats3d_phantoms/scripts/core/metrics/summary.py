# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""A table of region scores summed up: statistics that state what they rest on, and a printed table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scripts.core.metrics.empty_policy import (
    BOTH_EMPTY,
    NEITHER_EMPTY,
    PREDICTION_EMPTY,
    PREDICTION_MISSING,
    REFERENCE_EMPTY,
)
from scripts.core.metrics.metric import Metric, metrics_of
from scripts.core.metrics.profiles import DEFAULT_PROFILE, Profile
from scripts.core.metrics.region_table import RegionRow
from scripts.core.metrics.statistics import Statistics, describe
from scripts.core.metrics.text_table import lay_out
from scripts.core.version import __version__

_FAILURES = (PREDICTION_EMPTY, REFERENCE_EMPTY, PREDICTION_MISSING)
# Their rules charge for an empty mask themselves, see LesionRules.
_LESION_MEANS = "lesion_"
_PRINTED = {
    "dice": ("Dice", 3),
    "hd95_mm": ("HD95 (mm)", 1),
    "lesion_dice": ("lesion Dice", 3),
    "lesion_hd95_mm": ("lesion HD95 (mm)", 1),
}


def summarise(rows: Iterable[RegionRow], *, profile: Profile = DEFAULT_PROFILE) -> dict[str, Any]:
    """Sum up a table, per region and over the regions.

    Args:
        rows: The table.
        profile: The rules the rows were computed with.

    Returns:
        JSON content: ``brats3d`` (version), ``definitions``, ``profile``, ``cases``, ``regions``
        (per region: ``cases``, how many had which mask empty, and per metric ``penalised`` and the
        fields of :class:`~brats3d.metrics.statistics.Statistics`) and ``mean`` (the same per metric
        over the cases' means of their regions).
    """
    table = list(rows)
    metrics = metrics_of(profile)
    regions = dict.fromkeys(row.region for row in table)
    return {
        "brats3d": __version__,
        "definitions": {name: metric.description for name, metric in metrics.items()},
        "profile": profile.as_dict(),
        "cases": len({row.case_id for row in table}),
        "regions": {
            name: _region([row for row in table if row.region == name], metrics, profile) for name in regions
        },
        "mean": _mean_over_regions(table, metrics),
    }


def _region(rows: Sequence[RegionRow], metrics: Mapping[str, Metric], profile: Profile) -> dict[str, Any]:
    states = [row.empty for row in rows]
    failed = [state for state in states if state in _FAILURES]
    statistics = {}
    for name, metric in metrics.items():
        charged = [metric.decided(profile, state) or name.startswith(_LESION_MEANS) for state in failed]
        values = describe([row[name] for row in rows]).as_dict()
        statistics[name] = {**values, "penalised": sum(charged)}
    return {
        "cases": len(rows),
        "neither_empty": states.count(NEITHER_EMPTY),
        "both_empty": states.count(BOTH_EMPTY),
        "prediction_empty": states.count(PREDICTION_EMPTY),
        "reference_empty": states.count(REFERENCE_EMPTY),
        "prediction_missing": states.count(PREDICTION_MISSING),
        **statistics,
    }


def _mean_over_regions(rows: Sequence[RegionRow], metrics: Iterable[str]) -> dict[str, Any]:
    cases: dict[str, list[RegionRow]] = {}
    for row in rows:
        cases.setdefault(row.case_id, []).append(row)
    result = {}
    for metric in metrics:
        # A case with an undefined region has an undefined mean: a value never drops out unseen.
        means = [math.fsum(row[metric] for row in own) / len(own) for own in cases.values()]
        result[metric] = describe(means).as_dict()
    return result


def format_table(rows: Iterable[RegionRow]) -> str:
    """Lay out the main metrics per region, and their means over the regions, as plain text.

    ``n`` counts the values a line rests on, ``undefined`` those that are not among them, ``failed`` the
    cases where only one mask has the region or the prediction is missing; these are part of the means.
    """
    table = list(rows)
    printed = [name for name in _PRINTED if not table or name in table[0].scores]
    lines = []
    for region in dict.fromkeys(row.region for row in table):
        own = [row for row in table if row.region == region]
        failed = str(sum(row.empty in _FAILURES for row in own))
        for name in printed:
            first = region if name == printed[0] else ""
            lines.append((first, *_cells(name, describe([row[name] for row in own]), failed)))
    means = []
    for name in printed:
        over_regions = Statistics(**_mean_over_regions(table, [name])[name])
        means.append(("mean" if name == printed[0] else "", *_cells(name, over_regions, "")))
    header = ("Region", "Metric", "n", "undefined", "failed", "mean [95 % interval]", "median (quartiles)")
    return lay_out(header, lines, means, left=2)


def _cells(name: str, found: Statistics, failed: str) -> tuple[str, ...]:
    title, places = _PRINTED[name]

    def number(value: float) -> str:
        return f"{value:.{places}f}"

    mean = median = "-"
    if found.n:
        mean, median = number(found.mean), number(found.median)
        if not math.isnan(found.ci95_low):
            mean += f" [{number(found.ci95_low)}, {number(found.ci95_high)}]"
            median += f" ({number(found.q25)}, {number(found.q75)})"
    return title, str(found.n), str(found.undefined), failed, mean, median
