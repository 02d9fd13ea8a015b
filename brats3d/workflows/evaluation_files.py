"""The files of an evaluation, and when those that exist may be replaced."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from brats3d.errors import OutputError
from brats3d.files import write_json
from brats3d.metrics import LesionRow, RegionRow, write_lesions_csv, write_metrics_csv
from brats3d.workflows.scored_cases import Finished, file_digest

CSV_NAME, LESIONS_NAME, JSON_NAME = "metrics.csv", "lesions.csv", "metrics.json"
RESULT_NAMES = (CSV_NAME, LESIONS_NAME, JSON_NAME)


def check_replaceable(folder: Path, finished: Finished | None, evaluation: str, *, overwrite: bool) -> None:
    """Check before the work, not after it, that the results may be written.

    Results that exist are replaced when the user says so, or when they are as the same evaluation (same
    inputs and settings) left them: running it again brings them up to date.

    Args:
        folder: Output folder.
        finished: What was last written there, by the journal.
        evaluation: Fingerprint of the inputs and settings now.
        overwrite: Whether the user says so.

    Raises:
        OutputError: Results of something else, or edited since.
    """
    own = finished.files if finished is not None and finished.evaluation == evaluation else {}
    for path in (folder / name for name in RESULT_NAMES):
        if path.exists() and not overwrite and own.get(path.name) != file_digest(path):
            raise OutputError(
                "the output exists already",
                where=path,
                got="results of other inputs or settings, or changed by hand",
                remedy="pass --overwrite, or choose another output folder",
            )


def write_results(
    folder: Path,
    rows: Sequence[RegionRow],
    lesions: Sequence[LesionRow],
    summary: dict[str, Any],
    *,
    partial: bool,
) -> dict[str, str]:
    """Write the three files, each atomically.

    Returns:
        Name of each file to its SHA-256.

    Raises:
        OutputError: A file cannot be written.
    """
    write_metrics_csv(folder / CSV_NAME, rows, partial=partial)
    write_lesions_csv(folder / LESIONS_NAME, lesions)
    write_json(folder / JSON_NAME, summary)
    return {name: file_digest(folder / name) for name in RESULT_NAMES}


def versions() -> dict[str, str]:
    """Return the versions of what the scores were computed with, besides this package."""
    return {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
