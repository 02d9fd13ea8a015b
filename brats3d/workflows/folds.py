"""The runs of a cross-validation: what each is to be, which are finished, and training the others."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path

from brats3d import assembly
from brats3d.cases import Case
from brats3d.config import CrossvalConfig, FitConfig, differences, save_config, with_absolute_paths
from brats3d.data.sites import sites_of
from brats3d.errors import ConfigError, RunError
from brats3d.metrics import PROFILES
from brats3d.registry import look_up
from brats3d.workflows.fit import fit
from brats3d.workflows.processes import run_together
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.sharing import launched_share

logger = logging.getLogger(__name__)

_DEFAULT_FOLDS = 5
# What says where a run lies and how fast it is trained, not what comes out; rules may have been chosen since.
_MAY_DIFFER = (
    "resume",
    "extend",
    "folder",
    "postprocess.",
    "data.store",
    "data.cache",
    "data.workers",
    "data.residency",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "trainer.compile",
    "trainer.channels_last",
    "trainer.loggers",
    "trainer.log_every_n_steps",
    "trainer.enable_progress_bar",
    "trainer.checkpoint_every_n_minutes",
    "trainer.memory_gib",
)

# A random field is part of what a run predicts, which is kept for all rules.
_MUST_AGREE = ("postprocess.crf.",)


def training_settings(config: CrossvalConfig) -> FitConfig:
    """Return what all folds have in common, with absolute paths.

    Raises:
        ConfigError: An option that a cross-validation cannot have.
    """
    split = config.split
    counts = {count for count in (config.folds, split.folds) if count is not None}
    share = launched_share()
    look_up(PROFILES, config.profile, "profile")
    refused = (
        ("task", config.task, config.task != "segment", "cross-validate networks that segment"),
        ("name", config.name, config.name is None, "name the runs: --name NAME makes NAME-fold0 and so on"),
        ("resume", config.resume, config.resume is not None, "leave it out: what is not finished is resumed"),
        ("extend", config.extend, config.extend is not None, "extend the runs of the folds"),
        ("split.csv", split.csv, split.csv is not None, "leave it out: the folds part the cases"),
        ("split.fold", split.fold, split.fold != 0, "leave it out; --only trains one fold"),
        ("folds", counts, len(counts) > 1, "say it once, in folds or in split.folds"),
        ("folds", counts, bool(counts) and min(counts) < 2, "at least 2 folds"),
        ("folds", counts, bool(counts and split.sites), "leave it out: each site is a fold"),
        (
            "environment variables",
            "several processes of a launcher",
            share is not None and share.processes > 1,
            "train the folds as jobs of their own, with `brats3d submit --array folds`",
        ),
    )
    for where, got, wrong, remedy in refused:
        if wrong:
            raise ConfigError(
                "a cross-validation cannot have this", where=where, got=got or "nothing", remedy=remedy
            )
    training = FitConfig(**{field.name: getattr(config, field.name) for field in fields(FitConfig)})
    common = with_absolute_paths(training)
    if (Path(common.folder) / str(common.name) / "config.yaml").exists():
        raise ConfigError(
            "a run has the name of the cross-validation",
            where="name",
            got=common.name,
            remedy="choose another name",
        )
    count = None if split.sites else next(iter(counts), _DEFAULT_FOLDS)
    return replace(common, split=replace(common.split, folds=count))


def fold_settings(common: FitConfig, cases: Sequence[Case]) -> list[FitConfig]:
    """Return the settings of each fold's run.

    Raises:
        DataError: A table of sites that does not fit the cases.
    """
    split = common.split
    count = split.folds if split.sites is None else len(set(sites_of(cases, split.sites).values()))
    assert count is not None
    return [
        replace(common, name=f"{common.name}-fold{fold}", split=replace(split, fold=fold))
        for fold in range(count)
    ]


def run_of(config: FitConfig) -> RunFolder:
    """Folder of a fold's run."""
    return RunFolder(Path(config.folder) / str(config.name))


def is_finished(config: FitConfig) -> bool:
    """Whether the run of a fold has come to its end, with the settings it is to have.

    Raises:
        ConfigError: There is a run of that name with other settings.
    """
    run = run_of(config)
    if (run.path / "config.yaml").is_file():
        _check_same(run, config)
    return run.metrics_json.is_file()


def train_fold(config: FitConfig) -> None:
    """Train a fold, or go on with its training; one that is finished is left alone.

    Raises:
        Brats3dError: Anything the user can mend.
    """
    run = run_of(config)
    if is_finished(config):
        logger.info("%s is finished", config.name)
        return
    if (run.path / "config.yaml").is_file():
        if run.has_checkpoint():
            config = FitConfig(resume=str(run.path))
        else:
            run.discard()  # it was killed before it came to anything
    if _takes_processes(config if config.resume is None else run.config()):
        _train_apart(config)
    else:
        fit(config)


def held_out_cases(runs: Sequence[RunFolder]) -> list[tuple[str, ...]]:
    """Return the case ids that each run validated with: all but test cases, each in exactly one run.

    Raises:
        RunError: The runs do not part the same cases into folds.
    """
    splits = [run.split() for run in runs]
    validated = [case_id for split in splits for case_id in split.val]
    for run, split in zip(runs, splits, strict=True):
        if sorted(validated) != sorted((*split.train, *split.val)):
            raise RunError(
                "the runs do not hold out each case once",
                where=run.path,
                got=f"{len(split.train)} training and {len(split.val)} validation cases, "
                f"beside {len(validated)} that the folds validate with",
                expected="folds of the same cases, which the data set had when each of them began",
                remedy="train this fold again, under the name it has; remove its folder before",
            )
    return [split.val for split in splits]


def _check_same(run: RunFolder, config: FitConfig) -> None:
    found = differences(config, run.config())
    for key, (given, kept) in found.items():
        if not key.startswith(_MAY_DIFFER) or key.startswith(_MUST_AGREE):
            raise ConfigError(
                "a run of that name was trained with other settings",
                where=f"{key}, for {run.path}",
                got=f"{given}",
                expected=f"{kept}, as its config.yaml says",
                remedy="give the options that it began with, or another --name",
            )


def _takes_processes(config: FitConfig) -> bool:
    """Whether a training starts further processes, which would all begin with the first fold."""
    import torch

    trainer = config.trainer
    if trainer.devices == "auto":
        on_gpu = assembly.hardware(trainer.accelerator, "32-true").device == "cuda"
        return on_gpu and torch.cuda.device_count() > 1
    return trainer.devices != 1


def _train_apart(config: FitConfig) -> None:
    with tempfile.TemporaryDirectory(prefix="brats3d-") as folder:
        file = Path(folder) / "fit.yaml"
        save_config(config, file)
        words = [sys.executable, "-m", "brats3d.fit", "--config", str(file)]
        with closing(run_together([words], [dict(os.environ)])) as moments:
            for _ in moments:
                pass
