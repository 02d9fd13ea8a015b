# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Atomic files: a reader never sees half a result, an interrupted write leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.core.errors import OutputError, output_error


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Create a folder and its parents.

    Raises:
        OutputError: The folder cannot be made.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    return folder


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str], *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block succeeds.

    The temporary name keeps the suffix of ``path`` (writers choose their format by it) and starts
    with a dot. On any error the temporary file is removed. The data reach the disk (fsync) before
    the rename.

    Args:
        path: Final path. Parents are created.
        overwrite: Whether an existing file may be replaced.

    Raises:
        OutputError: ``path`` exists and may not be replaced, or the disk is full or read-only.
    """
    final = Path(path)
    if not overwrite and final.exists():
        raise OutputError(
            "the output exists already",
            where=final,
            remedy="pass --overwrite, or choose another output folder",
        )
    make_folder(final.parent)
    temporary = final.with_name(f".{secrets.token_hex(4)}.{final.name}")
    try:
        yield temporary
        with temporary.open("rb+") as written:  # Windows flushes only what is open for writing
            os.fsync(written.fileno())
        os.replace(temporary, final)
    except OSError as error:
        raise output_error(final, error) from error
    finally:
        with contextlib.suppress(OSError):  # a read-only disk refuses this, too, and has no such file
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` atomically as UTF-8.

    Raises:
        OutputError: The file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write ``content`` atomically as indented JSON (NaN and infinity become ``null``).

    Raises:
        OutputError: The file cannot be written.
    """
    write_text(path, json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, float) and (content != content or content in (float("inf"), float("-inf"))):
        return None
    return content
