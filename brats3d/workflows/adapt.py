"""Adapt a run to another data set without labels; the result is a run like any other."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from brats3d import assembly
from brats3d.cases import Case
from brats3d.config import AdaptConfig, DataConfig, FitConfig, SplitConfig, with_absolute_paths
from brats3d.data.splits import Split
from brats3d.data.store import PreparedStore, StoredCase
from brats3d.errors import ConfigError, DataError
from brats3d.files import write_json
from brats3d.metrics import RegionRow, summarise, write_metrics_csv
from brats3d.workflows import finetuning
from brats3d.workflows.fit import quiet_lightning
from brats3d.workflows.held_out import HeldOutScores, score_cases
from brats3d.workflows.loading import load_segmentation, load_weights
from brats3d.workflows.preparation import prepare_cases, store_folder
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.training_cases import find_cases

logger = logging.getLogger(__name__)
_LOOKED_AT = 16
"""Images of each data set by which their distance is measured."""


@dataclass(frozen=True)
class AdaptResult:
    """What an adaptation gave.

    Attributes:
        run: Folder of the adapted run.
        gaps: Distance of the data sets at each look, the one before the adaptation first.
        before: Scores of the run that was adapted, per held-out case of the target and region.
        after: Scores of the adapted run.
    """

    run: Path
    gaps: tuple[float, ...]
    before: tuple[RegionRow, ...]
    after: tuple[RegionRow, ...]


def adapt(config: AdaptConfig) -> AdaptResult:
    """Adapt a run's network to a data set by adversarial training of its encoder, without labels.

    Args:
        config: Settings.

    Raises:
        Brats3dError: Anything the user can mend: run, data, configuration, output folder.
    """
    _check(config)
    assert config.run is not None
    origin = RunFolder.open(config.run, folder=config.folder)
    kept = origin.config()
    target = _adapted_config(config, kept, origin)
    run = RunFolder.new(target)
    found = assembly.discover_cases(target.data, str(target.data.root))
    split = _split(config, found.cases)
    source = _source_cases(config, kept, origin)
    store = PreparedStore(store_folder(target.data.store, target.folder))
    preprocessing = assembly.build_preprocessing(kept)
    known = {case.case_id: case for case in found.cases}
    chosen = [known[name] for name in split.train]
    prepared = prepare_cases(source, preprocessing, store)
    pools = prepared, prepare_cases(chosen, preprocessing, store, labelled=False)
    quiet_lightning().seed_everything(config.seed, verbose=False)
    run.begin(target, split=split, layout=found.layout, convention=origin.convention())
    try:
        gaps = _train(config, target, origin, run, pools)
    except BaseException:  # half an adaptation is none, and there is nothing to resume it from
        run.discard()
        raise
    held_out = [case for case in (known[name] for name in split.test) if case.label is not None]
    before, after = (
        score_cases(load_segmentation([of], accelerator=config.accelerator), held_out)
        if held_out
        else HeldOutScores()
        for of in (origin, run)
    )
    _write(run, gaps, before, after)
    return AdaptResult(run.path, gaps, before.rows, after.rows)


def _check(config: AdaptConfig) -> None:
    """Check what no component checks.

    Raises:
        ConfigError: A setting is missing, or a number cannot work.
    """
    for key, remedy in (("run", "--run runs/NAME"), ("target", "--target DIR")):
        if getattr(config, key) is None:
            raise ConfigError(f"the adaptation needs a {key}", where=key, remedy=f"name it: {remedy}")
    counts = ("steps", "check_every_n_steps", "patience")
    rates = ("lr", "discriminator_lr")
    wrong = [(key, "1 or more") for key in counts if getattr(config, key) < 1]
    wrong += [(key, "a positive number") for key in rates if not 0 < getattr(config, key) < float("inf")]
    for key, expected in wrong:
        raise ConfigError(
            "a setting that cannot work", where=key, got=getattr(config, key), expected=expected
        )


def _adapted_config(config: AdaptConfig, kept: FitConfig, origin: RunFolder) -> FitConfig:
    """Return the configuration of the adapted run: that of the origin with the data of the target.

    Raises:
        ConfigError: The origin does not segment.
    """
    if kept.task != "segment":
        raise ConfigError(
            "only networks that segment are adapted",
            where="run",
            got=f"task {kept.task}",
            remedy="name a run that segments",
        )
    data = DataConfig(
        root=config.target,
        layout=config.layout,
        pattern=config.pattern,
        convention=config.convention,
        modalities=kept.data.modalities,
        store=config.store,
        workers=kept.data.workers,
    )
    return with_absolute_paths(
        replace(
            kept,
            name=config.name or f"{origin.path.resolve().name}-adapted",
            folder=config.folder,
            seed=config.seed,
            init=str(origin.path.resolve()),
            init_frozen=False,
            data=data,
            split=SplitConfig(val=0, test=config.test, seed=config.seed, stratify=False),
        )
    )


def _split(config: AdaptConfig, cases: Sequence[Case]) -> Split:
    """Part the target; without label maps all of it is adapted to."""
    labelled = any(case.label is not None for case in cases)
    test = config.test if labelled else 0
    return assembly.split_cases(SplitConfig(val=0, test=test, seed=config.seed, stratify=False), cases)


def _source_cases(config: AdaptConfig, kept: FitConfig, origin: RunFolder) -> list[Case]:
    """Training cases of the origin.

    Raises:
        DataError: They are no longer there.
    """
    root = config.source or kept.data.root
    found = find_cases(replace(kept, data=replace(kept.data, root=root)))
    known = {case.case_id: case for case in found.cases}
    there = [known[name] for name in origin.split().train if name in known]
    if len(there) < 2:
        raise DataError(
            "the adaptation needs images of the data set that the run was trained on",
            where=root,
            got=f"{len(there)} of {len(origin.split().train)} training cases",
            expected="2 or more",
            remedy="say with --source where they are now",
        )
    return there


def _train(
    config: AdaptConfig,
    target: FitConfig,
    origin: RunFolder,
    run: RunFolder,
    pools: tuple[list[StoredCase], list[StoredCase]],
) -> tuple[float, ...]:
    """Adapt the network and keep the weights with the smallest gap; returns the gaps."""
    from brats3d.training.domain_gap import SmallestGap

    convention = origin.convention()
    machine = assembly.hardware(config.accelerator, "auto")
    head = assembly.build_head(target, convention)
    network = assembly.build_network(target, head)
    load_weights(network, origin.checkpoint())
    module = assembly.build_adaptation(
        target,
        network,
        head,
        len(convention.regions),
        rate=config.lr,
        discriminator_rate=config.discriminator_lr,
    )
    pairs = assembly.build_image_pairs(target, *pools)
    looked_at = [pairs[number] for number in range(_LOOKED_AT)]
    watch = SmallestGap(
        [pair["source"] for pair in looked_at],
        [pair["target"] for pair in looked_at],
        run.checkpoints,
        patience=config.patience,
    )
    every = min(config.check_every_n_steps, config.steps)
    loader = assembly.build_pair_loader(
        target, pairs, machine, batch_size=config.batch_size or target.patch.batch_size, steps=every
    )
    trainer = assembly.build_adaptation_trainer(
        machine, run.path, epochs=config.steps // every, callbacks=[watch]
    )
    try:
        trainer.fit(module, loader)
    except SystemExit as error:  # Lightning's answer to an interruption
        raise KeyboardInterrupt from error
    logger.info("kept the weights of step %d, gap %.3f", watch.best * every, watch.gaps[watch.best])
    return tuple(watch.gaps)


def _write(run: RunFolder, gaps: Sequence[float], before: HeldOutScores, after: HeldOutScores) -> None:
    part = "test" if after.rows else None
    summary: dict[str, Any] = {**summarise(after.rows), "split": part, "gaps": list(gaps)}
    if after.rows:
        summary.update(finetuning.change(before.rows, after.rows))
        write_metrics_csv(run.path / "metrics_before.csv", before.rows)
    after.write(run)
    write_json(run.metrics_json, summary)
