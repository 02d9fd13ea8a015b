# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Scores as CSV files: one row per case and region, one per lesion."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from scripts.core.errors import DataError
from scripts.core.files import atomic_path
from scripts.core.metrics.counts import Counts
from scripts.core.metrics.lesions import LesionRow
from scripts.core.metrics.metric import metrics_of
from scripts.core.metrics.profiles import DEFAULT_PROFILE
from scripts.core.metrics.region_table import RegionRow

_KEYS = ("case_id", "region")
_COUNTS = tuple(field.name for field in fields(Counts))
_PARTIAL = "partial"
_LESION_COLUMNS = tuple(field.name for field in fields(LesionRow) if field.name != "nsd")


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

    _write(path, lines(), overwrite=overwrite)


def _header(metrics: Sequence[str], partial: bool) -> Sequence[str]:
    return (*_KEYS, *metrics, "empty", *_COUNTS, *((_PARTIAL,) if partial else ()))


def write_lesions_csv(path: Path, lesions: Iterable[LesionRow], *, overwrite: bool = True) -> None:
    """Write one row per lesion, as :func:`write_metrics_csv` does.

    Raises:
        OutputError: The file exists and may not be replaced, or cannot be written.
    """
    rows = list(lesions)
    tolerances = tuple(rows[0].nsd) if rows else DEFAULT_PROFILE.nsd_tolerances_mm

    def lines() -> Iterator[Sequence[object]]:
        yield (*_LESION_COLUMNS, *(f"nsd_{tolerance:g}mm" for tolerance in tolerances))
        for row in rows:
            values = (getattr(row, column) for column in _LESION_COLUMNS)
            yield (*values, *(row.nsd[tolerance] for tolerance in tolerances))

    _write(path, lines(), overwrite=overwrite)


def _write(path: Path, lines: Iterable[Sequence[object]], *, overwrite: bool) -> None:
    with (
        atomic_path(path, overwrite=overwrite) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        for line in lines:
            writer.writerow("" if value != value else value for value in line)


def read_metrics_csv(path: Path) -> list[RegionRow]:
    """Read a table that :func:`write_metrics_csv` wrote.

    Raises:
        DataError: The file is missing, or is not such a table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or ()
            needed = (*_KEYS, "dice", "empty", *_COUNTS)
            missing = [column for column in needed if column not in columns]
            if missing:
                raise KeyError(", ".join(missing))
            others = {*_KEYS, "empty", *_COUNTS, _PARTIAL}
            metrics = [column for column in columns if column not in others]
            return [_parse(record, metrics) for record in reader]
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(
            "not a table of region metrics",
            where=path,
            got=f"{type(error).__name__}: {error}",
            expected="a CSV file with the columns "
            + ", ".join(_header(tuple(metrics_of(DEFAULT_PROFILE)), False)),
            remedy="point to the metrics.csv that fit or evaluate wrote",
        ) from error


def _parse(record: dict[str, str], metrics: Sequence[str]) -> RegionRow:
    scores = {metric: float(record[metric]) if record[metric] else math.nan for metric in metrics}
    counts = Counts(*(int(record[name]) for name in _COUNTS))
    return RegionRow(record["case_id"], record["region"], scores, record["empty"], counts)
