"""CSV files as this package writes them: whole or not at all; what cannot be read back says what to do."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from brats3d.errors import DataError
from brats3d.files import atomic_path


def write_csv(path: Path, lines: Iterable[Sequence[object]], *, overwrite: bool = True) -> None:
    """Write lines, the header first; NaN stays blank, numbers keep full precision.

    Raises:
        OutputError: The file exists and may not be replaced, or cannot be written.
    """
    with (
        atomic_path(path, overwrite=overwrite) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        for line in lines:
            writer.writerow("" if value != value else value for value in line)


@contextmanager
def reading_csv(
    path: Path, content: str, needed: Collection[str], expected: str, remedy: str
) -> Iterator[csv.DictReader[str]]:
    """Read a table in a block; what fails in the block is said to be the table's fault.

    Args:
        path: File.
        content: What it should be a table of.
        needed: Columns without which it is none.
        expected: What the error says was expected.
        remedy: What the error says is to be done.

    Raises:
        DataError: The file is missing, or the block met what is not such a table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [column for column in needed if column not in (reader.fieldnames or ())]
            if missing:
                raise KeyError(", ".join(missing))
            yield reader
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError, OverflowError, csv.Error) as error:
        raise DataError(
            f"not a table of {content}",
            where=path,
            got=f"{type(error).__name__}: {error}",
            expected=expected,
            remedy=remedy,
        ) from error
