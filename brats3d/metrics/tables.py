"""Scores as a CSV file: one row per case and region."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from brats3d.metrics.counts import Counts
from brats3d.metrics.csv_files import reading_csv, write_csv
from brats3d.metrics.metric import metrics_of
from brats3d.metrics.profiles import DEFAULT_PROFILE
from brats3d.metrics.region_table import RegionRow

_KEYS = ("case_id", "region")
_COUNTS = tuple(field.name for field in fields(Counts))
_PARTIAL = "partial"


def write_metrics_csv(
    path: Path, rows: Iterable[RegionRow], *, overwrite: bool = True, partial: bool = False
) -> None:
    """Write the table atomically; undefined values stay blank, numbers keep full precision.

    Args:
        path: File.
        rows: The table; all rows have the same metrics.
        overwrite: Whether an existing file may be replaced.
        partial: Whether cases are missing from the table: a last column then says so in every row.

    Raises:
        OutputError: The file exists and may not be replaced, or cannot be written.
    """

    def lines() -> Iterator[Sequence[object]]:
        header: Sequence[str] | None = None
        for row in rows:
            if header is None:
                header = tuple(row.scores)
                yield _header(header, partial)
            scores = (row.scores[name] for name in header)
            marks = (_PARTIAL,) if partial else ()
            yield (row.case_id, row.region, *scores, row.empty, *asdict(row.counts).values(), *marks)
        if header is None:
            yield _header(tuple(metrics_of(DEFAULT_PROFILE)), partial)

    write_csv(path, lines(), overwrite=overwrite)


def _header(metrics: Sequence[str], partial: bool) -> Sequence[str]:
    return (*_KEYS, *metrics, "empty", *_COUNTS, *((_PARTIAL,) if partial else ()))


def read_metrics_csv(path: Path) -> list[RegionRow]:
    """Read a table that :func:`write_metrics_csv` wrote.

    Raises:
        DataError: The file is missing, or is not such a table.
    """
    with reading_csv(
        path,
        "region metrics",
        needed=(*_KEYS, "dice", "empty", *_COUNTS),
        expected="a CSV file with the columns "
        + ", ".join(_header(tuple(metrics_of(DEFAULT_PROFILE)), False)),
        remedy="point to the metrics.csv that fit or evaluate wrote",
    ) as reader:
        others = {*_KEYS, "empty", *_COUNTS, _PARTIAL}
        metrics = [column for column in reader.fieldnames or () if column not in others]
        return [_parse(record, metrics) for record in reader]


def _parse(record: dict[str, str], metrics: Sequence[str]) -> RegionRow:
    scores = {metric: float(record[metric]) if record[metric] else math.nan for metric in metrics}
    counts = Counts(*(int(record[name]) for name in _COUNTS))
    return RegionRow(record["case_id"], record["region"], scores, record["empty"], counts)
