"""A comparison as tables of a page: ranks, differences, wins, and what not all have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from brats3d.metrics import Comparison, RegionRow
from brats3d.metrics.comparison import ScoreDifference
from brats3d.reporting.metric_titles import metric_title
from brats3d.reporting.page.content import Cell, Column, Failures, PageTable, Tile
from brats3d.reporting.page.numbers import NOTHING, number, p_value, places_of, score, signed

_SIGNIFICANT = 0.05
_MOST_CASES = 1000


def rank_tiles(comparison: Comparison) -> list[Tile]:
    """Mean rank of each model, the best first."""
    best = len(comparison.ranking)
    return [
        Tile(own.model, number(own.mean_rank), f"mean rank; 1 is best, {best} worst")
        for own in comparison.ranking
    ]


def ranking_table(comparison: Comparison) -> PageTable:
    """Mean rank of each model."""
    rows = [
        [Cell(own.model), Cell(str(place)), Cell(number(own.mean_rank))]
        for place, own in enumerate(comparison.ranking, start=1)
    ]
    columns = (Column("Model", "text"), Column("Place"), Column("Mean rank"))
    return PageTable("Ranking over all regions and metrics", columns, rows)


def rank_difference_table(comparison: Comparison) -> PageTable:
    """Whether differences of ranks could be chance."""
    rows = [
        [
            Cell(own.second),
            Cell(own.first),
            Cell(signed(own.difference)),
            Cell(p_value(own.p)),
            Cell(p_value(own.p_holm)),
        ]
        for own in comparison.rank_differences
    ]
    columns = (
        Column("Model", "text"),
        Column("against", "text"),
        Column("Difference of mean ranks"),
        Column("p"),
        Column("p (Holm)"),
    )
    return PageTable("Differences of mean ranks, by permutation", columns, rows)


def difference_table(comparison: Comparison) -> PageTable:
    """Two models by region and metric."""
    first, second = comparison.models
    columns = (
        Column("Region", "text"),
        Column("Metric", "text"),
        Column("Pairs"),
        Column("Mean difference"),
        Column("Median"),
        Column(f"{first} wins"),
        Column("Ties"),
        Column(f"{second} wins"),
        Column("p, adjusted"),
        Column("Better", "text"),
    )
    rows = [
        _difference_cells(own, comparison.metrics[own.metric], first, second)
        for own in comparison.differences
    ]
    return PageTable(f"{second} less {first}", columns, rows)


def _difference_cells(own: ScoreDifference, higher_is_better: bool, first: str, second: str) -> list[Cell]:
    statistics, places = own.difference, places_of(own.metric)
    undefined = f"{statistics.undefined} undefined" if statistics.undefined else ""
    interval = ""
    if statistics.n > 1:
        low, high = (signed(end, places) for end in (statistics.ci95_low, statistics.ci95_high))
        interval = f"[{low}, {high}]"
    return [
        Cell(own.region),
        Cell(metric_title(own.metric)),
        Cell(str(statistics.n), undefined),
        Cell(signed(statistics.mean, places), interval),
        Cell(signed(statistics.median, places)),
        *(Cell(str(count)) for count in (own.wins, own.ties, own.losses)),
        Cell(p_value(own.p_holm), f"not: {p_value(own.p)}"),
        Cell(_verdict(own, higher_is_better, first, second)),
    ]


def _verdict(own: ScoreDifference, higher_is_better: bool, first: str, second: str) -> str:
    """Name the better model where the difference is unlikely to be chance."""
    if math.isnan(own.p_holm) or not own.difference.mean or math.isnan(own.difference.mean):
        return NOTHING
    if own.p_holm >= _SIGNIFICANT:
        return "perhaps chance"
    return second if (own.difference.mean > 0) == higher_is_better else first


def case_table(tables: Mapping[str, Sequence[RegionRow]], comparison: Comparison) -> PageTable:
    """Scores of each case by each model; the tables have the same cases and regions."""
    by_key = {
        name: {(row.case_id, row.region): row for row in sorted(rows, key=lambda row: row.case_id)}
        for name, rows in tables.items()
    }
    keys = list(next(iter(by_key.values())))
    columns = [Column("Case", "text"), Column("Region", "text")]
    columns += [Column(f"{metric_title(metric)}, {name}") for metric in comparison.metrics for name in tables]
    rows = [
        [
            Cell(key[0]),
            Cell(key[1]),
            *(
                Cell.sorted_by(value := by_key[name][key].scores[metric], score(metric, value))
                for metric in comparison.metrics
                for name in tables
            ),
        ]
        for key in keys[:_MOST_CASES]
    ]
    more = f" (the first {_MOST_CASES} of {len(keys)} rows)" if len(keys) > _MOST_CASES else ""
    return PageTable(f"Scores of each case{more}", columns, rows, sortable=True)


def failures_of(failed: Mapping[str, str], cases: int) -> Failures:
    """Cases that could not be compared."""
    if not failed:
        return Failures(None, f"None. Everything that was scored is compared: {cases} cases.")
    rows = [[Cell(case_id), Cell(reason)] for case_id, reason in failed.items()]
    table = PageTable(
        "Cases that are not compared", (Column("Case", "text"), Column("Why", "long")), rows[:_MOST_CASES]
    )
    whom = f"{len(failed)} {'case is' if len(failed) == 1 else 'cases are'} not compared"
    return Failures(table, f"{whom}, since not every model has scores of it; the figures rest on the others.")
