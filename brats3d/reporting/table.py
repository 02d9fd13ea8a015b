"""The numbers of a figure, and the CSV file they are kept in."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brats3d.files import atomic_path


@dataclass(frozen=True)
class Table:
    """Rows under a header.

    Attributes:
        columns: Names.
        rows: Values, as many as columns; NaN and None stand for nothing.
    """

    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]


def write_table(path: Path, table: Table) -> None:
    """Write a table as CSV, atomically; numbers keep full precision.

    Raises:
        OutputError: The file cannot be written.
    """
    with (
        atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(["" if value != value else value for value in row] for row in table.rows)
