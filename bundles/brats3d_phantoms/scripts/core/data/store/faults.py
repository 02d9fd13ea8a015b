# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Entries that are damaged or gone: how this is told, and how a damaged one is kept from being used again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from scripts.core.errors import DataError

_MARK = "damaged"


def is_marked(entry: Path) -> bool:
    """Whether reading an entry has failed before."""
    return (entry / _MARK).exists()


@contextlib.contextmanager
def explained(path: Path, size: int | None = None) -> Iterator[None]:
    """Explain what fails while a file of an entry is read, and mark the entry if it is damaged.

    Args:
        path: File of an entry.
        size: Its length in bytes, where that is known: a map of a file that was cut off ends the process.

    Raises:
        DataError: The file is gone, or its content is not what was written.
    """
    try:
        found = path.stat().st_size
        if size is not None and found != size:
            raise ValueError(f"{found} bytes instead of {size}")
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(
            "a prepared case is gone",
            where=path.parent,
            got="no such file",
            expected="a store that stays as it is while a job uses it",
            remedy="start the job again (a training: with --resume): the case is then prepared anew",
        ) from error
    except (OSError, RuntimeError, ValueError, KeyError, EOFError) as error:
        mark(path.parent)
        raise DataError(
            "a prepared case is damaged",
            where=path,
            got=" ".join(str(error).split())[:300],
            remedy="start the job again (a training: with --resume): the case is then prepared anew; "
            "`brats3d prepare --verify` looks for others",
        ) from error


def mark(entry: Path) -> None:
    """Keep an entry from being found again."""
    # Where nothing can be written, the entry cannot be replaced either; the reader's error tells enough.
    with contextlib.suppress(OSError):
        (entry / _MARK).touch()
