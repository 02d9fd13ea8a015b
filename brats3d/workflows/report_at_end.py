"""What a training writes about itself when it has ended."""

from __future__ import annotations

import logging
import shlex
from pathlib import Path

from brats3d.config import FitConfig, ReportConfig
from brats3d.errors import Brats3dError
from brats3d.workflows.training_curves import draw_training_curves

logger = logging.getLogger(__name__)


def report_at_end(run: Path, config: FitConfig) -> None:
    """Write the report of a run, or its curves where no report is wanted or it fails.

    The training is over, and its result is worth more than a report: what goes wrong is logged.

    Args:
        run: Folder of the run.
        config: Its configuration.
    """
    if not config.report:
        draw_training_curves(run)
        return
    try:
        from brats3d.workflows.report import report_one

        page = report_one(
            ReportConfig(run=str(run), accelerator=config.trainer.accelerator), by_training=True
        )
        logger.info("report: %s", page)
    except Exception as error:
        command = f"brats3d report {shlex.quote(str(run))}"
        # An error of the user's making says itself what is wrong.
        known = isinstance(error, Brats3dError)
        logger.warning(
            "the report has not been written (%s); write it with: %s",
            error if known else type(error).__name__,
            command,
            exc_info=not known,
        )
        draw_training_curves(run)
