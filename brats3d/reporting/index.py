"""What a folder of figures holds: ``index.json``, which pages are made from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from brats3d.files import write_json

INDEX = "index.json"
FORMS = ("png", "svg", "csv")


@dataclass(frozen=True)
class FigureEntry:
    """One figure.

    Attributes:
        name: Name of its files, without an ending.
        kind: curves, overview, planes, confusion, dice, ...: what kind of figure it is.
        title: One line.
        caption: What is shown, in sentences.
        case_id: Case that is shown, or None for a figure of all.
        files: ``png``, ``svg`` and ``csv`` to the name of the file in the folder.
    """

    name: str
    kind: str
    title: str
    caption: str
    case_id: str | None
    files: Mapping[str, str]

    @classmethod
    def named(cls, name: str, kind: str, title: str, caption: str, case_id: str | None) -> FigureEntry:
        """Make an entry whose files have the usual names."""
        return cls(name, kind, title, caption, case_id, {form: f"{name}.{form}" for form in FORMS})


def write_index(folder: Path, entries: Sequence[FigureEntry], about: Mapping[str, Any]) -> None:
    """Write the index.

    Args:
        folder: Folder of the figures.
        entries: The figures, in the order they are to be shown in.
        about: What they show (the run, its cases), kept as it is.

    Raises:
        OutputError: The file cannot be written.
    """
    write_json(folder / INDEX, {**about, "figures": [asdict(entry) for entry in entries]})


def files_in_index(folder: Path) -> list[str]:
    """Names of the files that the index of a folder lists; none where there is no index or a torn one."""
    try:
        figures = json.loads((folder / INDEX).read_text(encoding="utf-8"))["figures"]
        return [Path(name).name for figure in figures for name in figure["files"].values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
