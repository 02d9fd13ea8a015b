"""The curves of a run, drawn when its training ends."""

from __future__ import annotations

import logging
from pathlib import Path

logger = logging.getLogger(__name__)

REPORT = "report"
"""Folder in a run."""


def log_folder(run: Path) -> Path:
    """Folder of what a training logs as CSV."""
    return run / "logs" / "csv"


def draw_training_curves(run: Path) -> None:
    """Draw the curves of a run into its folder.

    The training is over, and its result is worth more than a figure: what goes wrong is logged.
    """
    try:
        from brats3d.reporting import draw_curves, read_training_log

        drawing = draw_curves(read_training_log(log_folder(run)), f"Training of {run.name}")
        drawing.save(run / REPORT)
    except Exception:
        logger.warning("the curves of the training have not been drawn", exc_info=True)
