"""The table of lesions, read back."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from brats3d.errors import DataError
from brats3d.metrics.lesions import DROPPED, FALSE_NEGATIVE, FALSE_POSITIVE, TRUE_POSITIVE, LesionRow

_NEEDED = ("case_id", "region", "lesion", "kind", "dice")
_KINDS = (TRUE_POSITIVE, FALSE_NEGATIVE, FALSE_POSITIVE, DROPPED)
_NSD, _UNIT = "nsd_", "mm"


def read_lesions_csv(path: Path) -> list[LesionRow]:
    """Read a table that :func:`~brats3d.metrics.tables.write_lesions_csv` wrote.

    Raises:
        DataError: The file is missing, or is not such a table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or ()
            missing = [name for name in _NEEDED if name not in columns]
            if missing:
                raise KeyError(", ".join(missing))
            tolerances = {
                name: float(name.removeprefix(_NSD).removesuffix(_UNIT))
                for name in columns
                if name.startswith(_NSD)
            }
            return [_parse(record, tolerances) for record in reader]
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(
            "not a table of lesions",
            where=path,
            got=f"{type(error).__name__}: {error}",
            expected="a CSV file with a row per lesion",
            remedy="point to the lesions.csv that fit or evaluate wrote",
        ) from error


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
