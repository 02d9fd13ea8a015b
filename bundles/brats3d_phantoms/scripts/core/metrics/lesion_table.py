# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Lesions as a CSV file: one row per lesion."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from scripts.core.metrics.csv_files import reading_csv, write_csv
from scripts.core.metrics.lesions import DROPPED, FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE, LesionRow
from scripts.core.metrics.profiles import DEFAULT_PROFILE

_COLUMNS = tuple(field.name for field in fields(LesionRow) if field.name != "nsd")
_NEEDED = ("case_id", "region", "lesion", "kind", "dice")
_KINDS = (TRUE_POSITIVE, FALSE_NEGATIVE, FALSE_POSITIVE, DROPPED)
_NSD, _UNIT = "nsd_", "mm"


def write_lesions_csv(path: Path, lesions: Iterable[LesionRow], *, overwrite: bool = True) -> None:
    """Write one row per lesion, as :func:`~brats3d.metrics.tables.write_metrics_csv` does.

    Raises:
        OutputError: The file exists and may not be replaced, or cannot be written.
    """
    rows = list(lesions)
    tolerances = tuple(rows[0].nsd) if rows else DEFAULT_PROFILE.nsd_tolerances_mm

    def lines() -> Iterator[Sequence[object]]:
        yield (*_COLUMNS, *(f"{_NSD}{tolerance:g}{_UNIT}" for tolerance in tolerances))
        for row in rows:
            values = (getattr(row, column) for column in _COLUMNS)
            yield (*values, *(row.nsd[tolerance] for tolerance in tolerances))

    write_csv(path, lines(), overwrite=overwrite)


def read_lesions_csv(path: Path) -> list[LesionRow]:
    """Read a table that :func:`write_lesions_csv` wrote.

    Raises:
        DataError: The file is missing, or is not such a table.
    """
    with reading_csv(
        path,
        "lesions",
        needed=_NEEDED,
        expected="a CSV file with a row per lesion",
        remedy="point to the lesions.csv that fit or evaluate wrote",
    ) as reader:
        tolerances = {
            name: float(name.removeprefix(_NSD).removesuffix(_UNIT))
            for name in reader.fieldnames or ()
            if name.startswith(_NSD)
        }
        return [_parse(record, tolerances) for record in reader]


def _parse(record: dict[str, str], tolerances: dict[str, float]) -> LesionRow:
    if record["kind"] not in _KINDS:
        raise ValueError(f"kind {record['kind']!r}")
    ref_ml, pred_ml, dice, hd95_mm = (
        float(record[name]) if record[name] else math.nan
        for name in ("volume_ref_ml", "volume_pred_ml", "dice", "hd95_mm")
    )
    nsd = {tolerance: float(record[name]) for name, tolerance in tolerances.items()}
    place = (record["case_id"], record["region"], int(record["lesion"]), record["kind"])
    return LesionRow(*place, ref_ml, pred_ml, dice, hd95_mm, nsd)
