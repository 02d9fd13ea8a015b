# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Tables of several models brought into one array: the same cases, regions and metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.core.errors import ConfigError, DataError
from scripts.core.metrics.metric import Metric
from scripts.core.metrics.region_table import RegionRow

Key = tuple[str, str]
_LISTED = 20


@dataclass(frozen=True)
class LeftOut:
    """A row that not every table has.

    Attributes:
        case_id: Case.
        region: Region name.
        missing_from: Models whose table lacks it.
    """

    case_id: str
    region: str
    missing_from: tuple[str, ...]


@dataclass(frozen=True)
class PairedScores:
    """Scores of several models of the same cases and regions.

    Attributes:
        models: Names, in the order given.
        metrics: Metric to whether higher is better.
        keys: Case and region of each row, cases sorted.
        values: ``(models, rows, metrics)``, NaN where undefined.
        left_out: Rows that not every table has.
    """

    models: tuple[str, ...]
    metrics: Mapping[str, bool]
    keys: tuple[Key, ...]
    values: NDArray[np.float64]
    left_out: tuple[LeftOut, ...]

    @property
    def cases(self) -> tuple[str, ...]:
        """The cases, sorted."""
        return tuple(dict.fromkeys(case_id for case_id, _ in self.keys))

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions, in the order of the tables."""
        return tuple(dict.fromkeys(region for _, region in self.keys))


def pair_tables(
    tables: Mapping[str, Sequence[RegionRow]],
    metrics: Sequence[Metric] | Mapping[str, bool],
    *,
    common_only: bool,
) -> PairedScores:
    """Bring the tables of several models together.

    Args:
        tables: Model to its table.
        metrics: Metrics, or their names and whether higher is better.
        common_only: Whether rows that not every table has are left out, instead of an error.

    Raises:
        ConfigError: Fewer than two models, no metric, or one without better and worse.
        DataError: Rows that not every table has, rows that occur twice, or a metric that a row lacks.
    """
    if len(tables) < 2:
        raise ConfigError("a comparison needs two models", got=", ".join(tables) or "none")
    directions = _directions(metrics)
    rows = {model: _by_key(model, table) for model, table in tables.items()}
    regions = list(dict.fromkeys(region for own in rows.values() for _, region in own))
    every = sorted(
        {key for own in rows.values() for key in own}, key=lambda key: (key[0], regions.index(key[1]))
    )
    left_out = []
    for case_id, region in every:
        lacking = tuple(model for model, own in rows.items() if (case_id, region) not in own)
        if lacking:
            left_out.append(LeftOut(case_id, region, lacking))
    missing = {(row.case_id, row.region) for row in left_out}
    keys = tuple(key for key in every if key not in missing)
    if not keys or (left_out and not common_only):
        raise DataError(
            "the tables do not have the same cases and regions"
            if keys
            else "the tables have no case in common",
            where=", ".join(tables),
            got=list_left_out(left_out) if left_out else "tables without rows",
            expected="the same cases and regions in all tables",
            remedy="score the missing cases, or compare only what all tables have (common_only)",
        )
    values = [[_scores(model, own[key], directions) for key in keys] for model, own in rows.items()]
    return PairedScores(tuple(tables), directions, keys, np.array(values, dtype=np.float64), tuple(left_out))


def list_left_out(left_out: Iterable[LeftOut]) -> str:
    """Name the rows, case by case within the models that lack them; of many cases the first ones."""
    lacking: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for row in left_out:
        lacking.setdefault(row.missing_from, {}).setdefault(row.case_id, []).append(row.region)
    texts = []
    for models, cases in lacking.items():
        named = [f"{case_id} ({', '.join(regions)})" for case_id, regions in cases.items()]
        more = [f"and {len(named) - _LISTED} more cases"] if len(named) > _LISTED else []
        texts.append(f"not in {' and '.join(models)}: {', '.join(named[:_LISTED] + more)}")
    return "; ".join(texts)


def _directions(metrics: Sequence[Metric] | Mapping[str, bool]) -> dict[str, bool]:
    directions = {}
    items = (
        metrics.items()
        if isinstance(metrics, Mapping)
        else [(metric.name, metric.higher_is_better) for metric in metrics]
    )
    for name, higher_is_better in items:
        if not isinstance(higher_is_better, bool):
            raise ConfigError(
                "a metric without better and worse cannot be compared",
                where=name,
                got=f"higher_is_better {higher_is_better}",
                expected="a metric such as dice (higher is better) or hd95_mm (lower is better)",
            )
        directions[name] = higher_is_better
    if not directions:
        raise ConfigError("a comparison needs a metric", expected="at least one, such as dice")
    return directions


def _by_key(model: str, table: Iterable[RegionRow]) -> dict[Key, RegionRow]:
    rows: dict[Key, RegionRow] = {}
    for row in table:
        key = (row.case_id, row.region)
        if key in rows:
            raise DataError(
                "a table has two rows for the same case and region",
                where=f"{model}: {row.case_id}, {row.region}",
                expected="one row per case and region",
            )
        rows[key] = row
    return rows


def _scores(model: str, row: RegionRow, metrics: Iterable[str]) -> list[float]:
    scores = row.scores
    lacking = [metric for metric in metrics if metric not in scores]
    if lacking:
        raise DataError(
            "a table lacks a metric that is to be compared",
            where=f"{model}: {row.case_id}, {row.region}",
            got=", ".join(scores),
            expected=", ".join(lacking),
            remedy="compare other metrics, or score both models with the same profile",
        )
    return [scores[metric] for metric in metrics]
