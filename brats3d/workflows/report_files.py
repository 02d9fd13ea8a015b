"""The folder of a report: what may be replaced, and what belongs to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from brats3d.errors import OutputError
from brats3d.files import write_text
from brats3d.reporting import INDEX, write_index
from brats3d.reporting.page import Page, render_report


def check_replaceable(output: Path, page: str, *, overwrite: bool) -> None:
    """Check that no report is replaced unasked, but for that of a training.

    Raises:
        OutputError: There is one.
    """
    if overwrite or not ((output / INDEX).exists() or (output / page).exists()):
        return
    if _index(output).get("by_training") is True:
        return
    raise OutputError(
        "there is a report already",
        where=output / page,
        remedy="pass --overwrite, or choose another --output",
    )


def write_page(folder: Path, name: str, page: Page, tables: Sequence[str], about: Mapping[str, Any]) -> None:
    """Write a page, and last the index of all that belongs to it."""
    write_text(folder / name, render_report(page))
    write_index(folder, page.figures, {**about, "page": name, "files": [name, *tables]})


def other_files(output: Path) -> list[str]:
    """Names of the files, besides figures, that the index of a folder lists."""
    names = _index(output).get("files", [])
    return [Path(name).name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _index(output: Path) -> dict[str, Any]:
    try:
        content = json.loads((output / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
