"""Scores as tables of a page: every metric with its definition, its statistics, and each case."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from brats3d.metrics import RegionRow
from brats3d.reporting.metric_titles import direction, metric_title
from brats3d.reporting.page.content import Cell, Column, PageTable, Tile
from brats3d.reporting.page.numbers import NOTHING, number, places_of, score
from brats3d.reporting.palette import region_colours

MEAN = "mean"
_STATISTICS = (
    ("n", "n"),
    ("undefined", "undefined"),
    ("penalised", "penalised"),
    ("mean", "mean"),
    ("ci95_low", "95 % from"),
    ("ci95_high", "to"),
    ("sd", "SD"),
    ("min", "smallest"),
    ("q25", "25 %"),
    ("median", "median"),
    ("q75", "75 %"),
    ("max", "largest"),
)
_COUNTS = frozenset({"n", "undefined", "penalised"})
_OF_CASES = (
    ("dice", "Dice"),
    ("hd95_mm", "HD95, mm"),
    ("lesion_dice", "lesion Dice"),
    ("volume_ref_ml", "reference, ml"),
    ("volume_pred_ml", "predicted, ml"),
)
_MOST_CASES = 1000

Summary = Mapping[str, Any]
"""Content of ``metrics.json``; numbers that are not finite are None where it comes from the file."""


def tiles(summary: Summary) -> list[Tile]:
    """Mean Dice of each region, with its interval."""
    regions = list(summary["regions"])
    colours = region_colours(regions)
    found = []
    for region in regions:
        dice = summary["regions"][region]["dice"]
        found.append(Tile(f"Dice {region}", number(dice["mean"]), _interval(dice, "dice"), colours[region]))
    return found


def score_table(summary: Summary) -> PageTable:
    """Means of every metric by region with their intervals, and what the metric is."""
    regions = list(summary["regions"])
    rows = []
    for metric, definition in summary["definitions"].items():
        own = [summary["regions"][region].get(metric) for region in regions]
        own.append(summary.get("mean", {}).get(metric) if len(regions) > 1 else None)
        if all(statistics is None for statistics in own):
            continue
        cells = [_mean_cell(statistics, metric) for statistics in own[: len(regions) + (len(regions) > 1)]]
        rows.append([_metric_cell(metric), *cells, Cell(definition)])
    headings = [*regions, "mean of regions"] if len(regions) > 1 else regions
    columns = [Column("Metric", "text"), *map(Column, headings), Column("Definition", "long")]
    cases = summary["cases"]
    caption = "Scores of one case"
    if cases != 1:
        caption = f"Means over {cases} cases, below them bootstrap 95 % intervals of the mean"
    return PageTable(caption, columns, rows)


def _metric_cell(metric: str) -> Cell:
    return Cell(f"{metric_title(metric)} {direction(metric)}".rstrip(), metric)


def _mean_cell(statistics: Mapping[str, Any] | None, metric: str) -> Cell:
    if statistics is None or not statistics["n"]:
        return Cell(NOTHING)
    places = places_of(metric)
    mean = number(statistics["mean"], places)
    if statistics["n"] == 1:
        return Cell(mean)
    low, high = (number(statistics[end], places) for end in ("ci95_low", "ci95_high"))
    return Cell(mean, f"{low} to {high}")


def _interval(statistics: Mapping[str, Any], metric: str) -> str:
    if statistics["n"] < 2:
        return "one case" if statistics["n"] else "no case"
    low, high = (number(statistics[end], places_of(metric)) for end in ("ci95_low", "ci95_high"))
    return f"95 % interval {low} to {high}, n =\N{NO-BREAK SPACE}{statistics['n']}"


def statistics_table(summary: Summary) -> PageTable:
    """All statistics of every metric and region."""
    rows = []
    for region, content in summary["regions"].items():
        for metric in summary["definitions"]:
            if (statistics := content.get(metric)) is not None:
                rows.append([Cell(region), Cell(metric), *_statistics(statistics, metric)])
    columns = [
        Column("Region", "text"),
        Column("Metric", "text"),
        *(Column(title) for _, title in _STATISTICS),
    ]
    return PageTable("Statistics of every metric", columns, rows, sortable=True)


def _statistics(statistics: Mapping[str, Any], metric: str) -> list[Cell]:
    places = places_of(metric)
    return [Cell(number(statistics.get(name), 0 if name in _COUNTS else places)) for name, _ in _STATISTICS]


def empty_table(summary: Summary) -> PageTable:
    """How often which mask was empty, by region."""
    states = {
        "cases": "cases",
        "neither_empty": "in both",
        "prediction_empty": "missed",
        "reference_empty": "invented",
        "both_empty": "in neither",
        "prediction_missing": "no prediction",
    }
    rows = [
        [Cell(region), *(Cell(str(content.get(state, NOTHING))) for state in states)]
        for region, content in summary["regions"].items()
    ]
    columns = [Column("Region", "text"), *(Column(title) for title in states.values())]
    return PageTable("Cases in which the region is, by reference and prediction", columns, rows)


def case_table(rows: Sequence[RegionRow]) -> PageTable:
    """The main scores of each case, a line per case."""
    regions = list(dict.fromkeys(row.region for row in rows))
    by_place = {(row.case_id, row.region): row for row in rows}
    cases = list(dict.fromkeys(row.case_id for row in rows))
    metrics = [(name, title) for name, title in _OF_CASES if name in rows[0].scores]
    columns = [
        Column("Case", "text"),
        *(Column(f"{title} {region}") for _, title in metrics for region in regions),
    ]
    lines = []
    for case_id in cases[:_MOST_CASES]:
        own = [by_place.get((case_id, region)) for region in regions]
        lines.append([Cell(case_id), *(_score(row, name) for name, _ in metrics for row in own)])
    more = f" (the first {_MOST_CASES} of {len(cases)})" if len(cases) > _MOST_CASES else ""
    return PageTable(f"Scores of each case{more}", columns, lines, sortable=True)


def _score(row: RegionRow | None, metric: str) -> Cell:
    value = math.nan if row is None else row.scores.get(metric, math.nan)
    return Cell.sorted_by(value, score(metric, value))
