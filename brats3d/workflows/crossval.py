"""Cross-validation: train the folds, and score each case with the run that did not train on it."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from brats3d import assembly
from brats3d.config import CrossvalConfig, FitConfig, save_config, to_yaml
from brats3d.data.discovery import Discovery
from brats3d.errors import ConfigError
from brats3d.files import write_json, write_text
from brats3d.metrics import PROFILES, RegionRow, summarise, write_metrics_csv
from brats3d.postprocessing import Postprocessing
from brats3d.workflows.crossval_report import folds_as_dict, format_folds, format_gain
from brats3d.workflows.folds import (
    fold_settings,
    held_out_cases,
    is_finished,
    run_of,
    train_fold,
    training_settings,
)
from brats3d.workflows.out_of_fold import read_case
from brats3d.workflows.predict_out_of_fold import predict_out_of_fold
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.selection import CandidateScores, Selection, rules_as_dict, select_rules
from brats3d.workflows.training_cases import find_cases

logger = logging.getLogger(__name__)

_CASES_IN_MEMORY = 64


@dataclass(frozen=True)
class CrossvalResult:
    """What a cross-validation gave.

    Attributes:
        folder: Its folder; the runs of the folds lie beside it.
        waiting: Names of the runs that are not finished yet; the rest is then empty.
        rows: Scores per case and region, sorted by case.
        summary: Content of crossval.json.
        table: The main scores as text.
    """

    folder: Path
    waiting: tuple[str, ...] = ()
    rows: tuple[RegionRow, ...] = ()
    summary: dict[str, Any] | None = None
    table: str = ""


def crossval(config: CrossvalConfig) -> CrossvalResult:
    """Train the folds that are not finished; once all are, score each case out of fold.

    Args:
        config: The training, the folds and what is made of them. Called again with the same options, it
            goes on where it was interrupted.

    Returns:
        Scores, or which folds are still to come.

    Raises:
        Brats3dError: Anything the user can mend: data, configuration, runs with other settings.
    """
    common = training_settings(config)
    found = find_cases(common)
    folds = fold_settings(common, found.cases)
    if config.only is not None and not 0 <= config.only < len(folds):
        raise ConfigError("no such fold", where="only", got=config.only, expected=f"0 to {len(folds) - 1}")
    configured = assembly.build_postprocessing(common, found.convention)
    for fold in folds:
        is_finished(fold)  # other settings show now, not after hours of training
    for fold in folds if config.only is None else [folds[config.only]]:
        train_fold(fold)
    folder = Path(common.folder) / str(common.name)
    waiting = tuple(str(fold.name) for fold in folds if not is_finished(fold))
    if waiting:
        return CrossvalResult(folder, waiting)
    return _gather(config, [run_of(fold) for fold in folds], common, found, configured, folder)


def _gather(
    config: CrossvalConfig,
    runs: list[RunFolder],
    common: FitConfig,
    found: Discovery,
    configured: Postprocessing,
    folder: Path,
) -> CrossvalResult:
    held_out = held_out_cases(runs)
    kept = folder / "out_of_fold"
    for run in runs:
        predict_out_of_fold(
            run,
            run.split().select(found.cases, "val"),
            kept,
            checkpoint=config.checkpoint,
            accelerator=common.trainer.accelerator,
        )
    read = functools.lru_cache(maxsize=_CASES_IN_MEMORY)(functools.partial(read_case, kept))
    profile, convention = PROFILES[config.profile], found.convention
    by_fold = [
        [row for case_id in ids for row in read(case_id).scores(configured, convention, profile).rows]
        for ids in held_out
    ]
    rows = sorted((row for own in by_fold for row in own), key=lambda row: row.case_id)
    summary = {
        **summarise(rows, profile=profile),
        "checkpoint": config.checkpoint,
        "postprocess": rules_as_dict(configured),
        **folds_as_dict([run.path.name for run in runs], by_fold),
    }
    table = format_folds(by_fold)
    if config.select:
        scores = CandidateScores(read, convention, config.score, profile)
        selection = select_rules(held_out, scores, configured)
        _keep_choice(selection, runs, folder)
        summary["selection"] = {"score": config.score, **selection.as_dict()}
        table += "\n" + format_gain(summary["selection"])
    write_metrics_csv(folder / "metrics.csv", rows)
    write_json(folder / "crossval.json", summary)
    return CrossvalResult(folder, (), tuple(rows), summary, table)


def _keep_choice(selection: Selection, runs: list[RunFolder], folder: Path) -> None:
    """Write the chosen rules, and have all runs follow them in ``predict`` and ``export``."""
    rules = rules_as_dict(selection.chosen)
    chosen = replace(runs[0].config().postprocess, **rules)
    write_text(folder / "postprocess.yaml", to_yaml({"postprocess": chosen}))
    for run in runs:
        save_config(replace(run.config(), postprocess=chosen), run.path / "config.yaml")
    logger.info("the runs of the folds now postprocess as %s says", folder / "postprocess.yaml")
