"""The table of labels that a user gives: case_id, label, and for single slices slice."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path

from brats3d.errors import DataError, closest_first

_MEANINGS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


def read_label_table(path: Path, cases: Collection[str] | None) -> dict[str, dict[int | None, bool]]:
    """Read a table of labels.

    Args:
        path: CSV file with the columns ``case_id``, ``label`` (0 or 1) and perhaps ``slice``.
        cases: Ids of the cases there are; None: rows are not held against them.

    Returns:
        Case id to slice (None without such a column) to whether it shows tumour.

    Raises:
        DataError: The file is missing or torn, lacks a column, names an unknown case, has a label that is
            not 0 or 1, or two for the same image.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows, columns = list(reader), reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            "cannot read the table of labels", where=path, got=" ".join(str(error).split())
        ) from error
    missing = [name for name in ("case_id", "label") if name not in columns]
    if missing:
        raise DataError(
            f"the table of labels lacks the column {missing[0]}",
            where=path,
            got=", ".join(columns) or "nothing",
            expected="case_id, label, and for single slices slice",
        )
    table: dict[str, dict[int | None, bool]] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{path}, line {number}"
        case_id = (row["case_id"] or "").strip()
        if cases is not None and case_id not in cases:
            raise DataError(
                "the table of labels names a case that the data set does not have",
                where=where,
                got=case_id or "nothing",
                expected="ids as they were found, such as " + ", ".join(closest_first(case_id, cases)[:2]),
                remedy="correct or remove the row, or add the case",
            )
        place = _slice(row["slice"], where) if "slice" in columns else None
        labels = table.setdefault(case_id, {})
        if place in labels:
            raise DataError("an image has two labels", where=where, got=f"{case_id}, slice {place}")
        labels[place] = _label(row["label"], where)
    return table


def _label(text: str | None, where: str) -> bool:
    meaning = _MEANINGS.get((text or "").strip().lower())
    if meaning is None:
        raise DataError(
            "not a label", where=where, got=text or "nothing", expected="1 (tumour) or 0 (no tumour)"
        )
    return meaning


def _slice(text: str | None, where: str) -> int:
    try:
        place = int(text or "")
    except ValueError:
        place = -1
    if place < 0:
        raise DataError(
            "not a slice", where=where, got=text or "nothing", expected="a whole number counted from 0"
        )
    return place
