"""The rules of the scores on a page: what an empty mask, a missed or an invented lesion is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from brats3d.reporting.page.content import Cell, Column, Details, PageTable
from brats3d.reporting.page.numbers import number


def rule_details(summary: Mapping[str, Any]) -> Details | None:
    """What an empty mask, a missed or an invented lesion is worth."""
    profile = summary.get("profile")
    if not profile:
        return None
    policy, lesions = profile["policy"], profile["lesions"]
    states = {
        "both": "both empty",
        "prediction": "nothing predicted",
        "reference": "nothing in the reference",
        "missing": "no prediction",
    }
    rows = [
        [Cell(metric), *(Cell(_worth(values[state], policy["penalty_mm"])) for state in states)]
        for metric, values in policy["values_when_empty"].items()
    ]
    table = PageTable(
        "What a metric is worth when a mask is empty",
        [Column("Metric", "text"), *map(Column, states.values())],
        rows,
    )
    terms = [
        ("Profile", f"{profile['name']}: {profile['source']}"),
        ("Surfaces", profile["definition_says"]),
        *((name.replace("_", " "), _plain(value)) for name, value in lesions.items()),
    ]
    return Details("Rules of the scores: empty masks and lesions", [table], terms)


def _worth(value: Any, penalty_mm: float | None) -> str:
    if value == "penalty":
        return f"{number(penalty_mm, 0)} mm"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "undefined"
    return value if isinstance(value, str) else f"{value:g}"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_plain(own)}" for name, own in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(own) for own in value)
    return "undefined" if value is None else str(value)
