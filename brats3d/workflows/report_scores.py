"""The scores that a report shows: those that a run was given, or those of label maps of any tool."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brats3d.config import EvaluateConfig, ReportConfig
from brats3d.errors import ConfigError
from brats3d.files import write_json
from brats3d.labels import LabelConvention, Region
from brats3d.metrics import (
    Calibration,
    LesionRow,
    RegionRow,
    read_calibration_csv,
    read_lesions_csv,
    read_metrics_csv,
    summarise,
    write_metrics_csv,
)
from brats3d.workflows.evaluate import evaluate, existing_path, settings_of
from brats3d.workflows.evaluation_files import CSV_NAME, JSON_NAME, RESULT_NAMES
from brats3d.workflows.report_training import read_record
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.scored_cases import JOURNAL_NAME

logger = logging.getLogger(__name__)

_CHANGED = ", changed"
_SINGLE_FOLDERS = ("predictions", "references", "compare", "output", "overwrite")
_PLAIN_SETTINGS = ("prediction_pattern", "reference_pattern", "missing", "check_affine")


@dataclass(frozen=True)
class Scores:
    """Scores of cases, as far as they are known.

    Attributes:
        rows: One per case and region.
        lesions: One per lesion; older runs have none.
        calibration: Region to how its probabilities agree with the references.
        summary: Content of ``metrics.json``.
        failed: Case id to why it could not be scored.
        notes: What the reader should know, one sentence each.
    """

    rows: tuple[RegionRow, ...] = ()
    lesions: tuple[LesionRow, ...] = ()
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def write(self, folder: Path) -> list[str]:
        """Write the scores beside the page; lesions and calibration are written with their figures.

        Returns:
            Names of the files.

        Raises:
            OutputError: A file cannot be written.
        """
        if self.rows or self.failed:
            write_metrics_csv(folder / CSV_NAME, self.rows, partial=bool(self.failed))
            write_json(folder / JSON_NAME, self.summary)
        return [name for name in (*RESULT_NAMES, JOURNAL_NAME) if (folder / name).exists()]


def scores_of_run(run: RunFolder) -> Scores:
    """Read what a run was scored with when its training ended; nothing where it was not.

    Raises:
        DataError: A table that cannot be read.
    """
    if not run.metrics_csv.exists() or not (rows := read_metrics_csv(run.metrics_csv)):
        return Scores()
    summary = read_record(run.metrics_json)
    if not {"definitions", "regions", "profile"} <= set(summary):
        summary = {**summary, **summarise(rows)}
    return Scores(
        tuple(rows),
        tuple(read_lesions_csv(run.lesions_csv)) if run.lesions_csv.exists() else (),
        read_calibration_csv(run.calibration_csv) if run.calibration_csv.exists() else {},
        summary,
    )


def scores_of_predictions(config: ReportConfig, folder: Path, earlier: Path) -> Scores:
    """Score label maps of any tool; what was scored before and has not changed is not computed again.

    Args:
        config: Predictions, references and how they are scored.
        folder: Gets the tables.
        earlier: Folder of an earlier report, which may have scores of the same files.

    Raises:
        Brats3dError: Anything that :func:`~brats3d.workflows.evaluate.evaluate` raises.
    """
    assert config.predictions is not None
    assert config.references is not None
    place = Path(config.predictions)
    place = place if place.is_dir() else place.parent
    known = next((own for own in (place, earlier) if (own / JOURNAL_NAME).is_file()), None)
    if known is not None:
        shutil.copyfile(known / JOURNAL_NAME, folder / JOURNAL_NAME)
    settings = chosen_settings(config, place)
    found = evaluate(config.predictions, config.references, folder, **{**settings, "overwrite": True})
    return Scores(found.rows, found.lesions, {}, found.summary, found.failed, found.notes)


def chosen_settings(config: ReportConfig, predictions: Path) -> dict[str, Any]:
    """How predictions are scored: as the user says, else as they were when they were scored last.

    Returns:
        Keyword arguments of :func:`~brats3d.workflows.evaluate.evaluate`.

    Raises:
        ConfigError: A folder is named among the settings.
    """
    default = EvaluateConfig()
    for name in _SINGLE_FOLDERS:
        if getattr(config.scoring, name) != getattr(default, name):
            raise ConfigError(
                "the report has this setting itself", where=f"scoring.{name}", remedy=f"pass --{name}"
            )
    settings = settings_of(config.scoring)
    if config.scoring != default:
        return settings
    record = read_record(predictions / JSON_NAME)
    try:
        return {
            **settings,
            **_settings_of_before(record, existing_path(str(config.references), "references")),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        logger.debug("not the settings of an evaluation: %r", error)
        return settings


def _settings_of_before(record: Mapping[str, Any], references: Path) -> dict[str, Any]:
    """Settings by the record of an evaluation; none where it was against other references."""
    if not record or record["inputs"]["references"] != str(references):
        return {}
    inputs, profile = record["inputs"], record["profile"]
    settings = {name: inputs[name] for name in _PLAIN_SETTINGS}
    for side in ("prediction_convention", "reference_convention"):
        settings[side] = _convention(inputs[side])
    settings["profile"] = profile["name"].removesuffix(_CHANGED)
    if settings["profile"] != profile["name"]:
        settings |= {
            "definition": profile["definition"],
            "policy": profile["policy"]["name"],
            "penalty_mm": profile["policy"]["penalty_mm"],
            "tolerances_mm": tuple(profile["nsd_tolerances_mm"]),
        }
    logger.info("scoring as evaluate did before, by the profile %s", profile["name"])
    return settings


def _convention(content: Mapping[str, Any]) -> LabelConvention:
    regions = tuple(Region(name, frozenset(tissues)) for name, tissues in content["regions"].items())
    tissues = {int(value): tissue for value, tissue in content["labels"].items()}
    return LabelConvention(content["name"], tissues, regions)
