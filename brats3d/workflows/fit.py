"""Train, validate, test the best checkpoint on the held-out split, write the run."""

from __future__ import annotations

import errno
import logging
import shutil
import signal
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brats3d import assembly
from brats3d.cases import Case
from brats3d.config import FitConfig, check_resumed, extended, save_config, with_absolute_paths
from brats3d.data.discovery import Discovery
from brats3d.data.phantom import PhantomParameters
from brats3d.data.splits import Split
from brats3d.data.store import PreparedStore, StoredCase
from brats3d.errors import ConfigError, RunError, output_error
from brats3d.files import write_json
from brats3d.labels import LabelConvention
from brats3d.metrics import RegionRow, summarise, write_metrics_csv
from brats3d.training.group import TrainingGroup
from brats3d.training.start_checks import check_batches
from brats3d.workflows import finetuning
from brats3d.workflows.classify import HeldOutCase, judge_held_out, write_gate
from brats3d.workflows.common_ground import common_ground
from brats3d.workflows.held_out import score_cases
from brats3d.workflows.phantom_sets import phantom_folder, phantom_layout
from brats3d.workflows.preparation import prepare_cases, store_folder
from brats3d.workflows.prepared_case import presence_in_store
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.segmentation import CaseSegmentation
from brats3d.workflows.synthesize import synthesize
from brats3d.workflows.training_curves import draw_training_curves

if TYPE_CHECKING:
    import torch
    from pytorch_lightning import Trainer

    from brats3d.training.datamodule import PatchDataModule

logger = logging.getLogger(__name__)
PARTS = ("train", "val", "test")
_WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class FitResult:
    """What a training gave.

    Attributes:
        run: Folder of the run.
        rows: Scores per held-out case and region.
        summary: Content of metrics.json.
        text: Scores of a classifier as a table.
        before: With `init`, scores of the weights that the training started from.
    """

    run: Path
    rows: tuple[RegionRow, ...]
    summary: dict[str, Any]
    text: str = ""
    before: tuple[RegionRow, ...] = ()


def fit(config: FitConfig | None = None) -> FitResult:
    """Train a model and score its best checkpoint on held-out cases.

    Args:
        config: Configuration; None trains the quick start on phantoms.

    Returns:
        Run folder, scores per case and region, and their summary.

    Raises:
        Brats3dError: Anything the user can mend: data, labels, configuration, output folder.
    """
    started_at = time.monotonic()
    config = with_absolute_paths(config or FitConfig())
    with TrainingGroup.joined(config.trainer.num_nodes, config.trainer.devices) as group:
        return _fit(config, group, started_at)


def _fit(config: FitConfig, group: TrainingGroup, started_at: float) -> FitResult:
    """Do the same as one of a group of processes."""
    given = config
    resumed, by_name = None, config.resume == "auto"
    if by_name:
        config = replace(config, resume=RunFolder.continued(config))
    if config.resume is not None:
        resumed = RunFolder.open(config.resume, folder=config.folder)
        check_resumed(config, resumed.config())
        config, added = resumed.config(), config.extend
        config = config if added is None else extended(config, added)
    elif config.extend is not None:
        raise ConfigError("only a run can be extended", where="extend", remedy="name it with --resume RUN")
    initial, config = (None, config) if resumed else finetuning.opened(config)
    assembly.check_settings(config)
    pl = quiet_lightning()
    follows = group.follows
    run = resumed or (RunFolder.joined(config) if follows else RunFolder.new(config, anew=by_name))
    group.run, group.discard = run.path, run.discard_unless_resumable
    checkpoint = None if resumed is None else run.resumable()
    found = find_cases(config)
    store = PreparedStore(store_folder(config.data.store, config.folder))
    preprocessing = assembly.build_preprocessing(config)
    known = presence_in_store(preprocessing, store)
    split = run.split() if resumed else assembly.split_cases(config.split, found.cases, known)
    cases = _split_cases(split, found.cases, resumed)
    if initial is not None:
        finetuning.check_unseen(initial, split, found.cases)
    assembly.check_task(config, found.cases)
    classifies = config.task == assembly.CLASSIFY

    pl.seed_everything(config.seed, verbose=False)
    machine = assembly.hardware(config.trainer.accelerator, config.trainer.precision)
    clock = assembly.build_clock(config, started_at)
    build_module = assembly.build_classification_module if classifies else assembly.build_module
    fresh = resumed is None and initial is None
    module: Any = build_module(config, found.convention, machine, clock, pretrained=fresh)
    if initial is not None:
        finetuning.start(module, initial, found.convention)
    trainer = assembly.build_trainer(config, machine, clock, run.path)
    check_batches(config.patch, trainer.num_nodes * trainer.num_devices)
    group.expect(trainer)
    # Test cases too: a file that cannot be used shall be found before the training, not after it.
    prepared = prepare_cases([case for part in PARTS for case in cases[part]], preprocessing, store)
    data = _training_data(config, cases, prepared, trainer.strategy.root_device)
    group.prepare(trainer, lambda: common_ground(given, config, run, cases, prepared, checkpoint))
    if not classifies:
        config = assembly.with_class_weights(config, found.convention, data.training)
        module.loss = assembly.build_training_loss(config, module.head.out_channels)
    # Only now, when nothing about data and settings can fail any more, there is a run.
    if resumed is None and not follows:
        run.begin(config, split=split, layout=found.layout, convention=found.convention)
        if initial is not None:
            finetuning.keep_initial(module, run)
    elif resumed is not None and not follows:
        save_config(config, run.path / "config.yaml")
    if not follows:
        _announce(run, cases, found)
    _train(trainer, module, data, run, checkpoint)
    group.trained()
    minutes = clock.elapsed_s / 60
    if config.trainer.strategy == assembly.SHARDED:  # a network whose weights are all here
        module = assembly.build_module(config, found.convention, machine, clock)
    part, scored = _held_out(cases)
    own = slice(trainer.global_rank, None, trainer.world_size)
    rows: list[RegionRow] = []
    before: list[RegionRow] = []
    judged: list[HeldOutCase] = []
    if classifies:
        judged = judge_held_out(run, cases, prepared, own, module, machine)
    else:
        rows, before = (
            _of_all(_score(config, weights, found.convention, scored[own], module, machine))
            for weights in (run.checkpoint(), None if config.init is None else run.initial)
        )
    group.part()
    if follows:
        # The process that leads writes; what called this function shall not do so twice.
        raise SystemExit(0)
    scores, text = write_gate(config, run, judged) if classifies else (summarise(rows), "")
    summary = {**scores, "split": part, "checkpoint": run.checkpoint().name}
    if before:
        summary.update(finetuning.change(before, rows))
        write_metrics_csv(run.path / "metrics_before.csv", before)
    summary["training_minutes"] = round(minutes, 2)
    summary["patches_per_second"] = round(_patches_per_second(trainer), 3)
    summary["minutes"] = round((time.monotonic() - started_at) / 60, 2)
    if not classifies:
        write_metrics_csv(run.metrics_csv, rows)
    write_json(run.metrics_json, summary)
    draw_training_curves(run.path)
    return FitResult(run.path, tuple(rows), summary, text=text, before=tuple(before))


def _of_all(own: list[RegionRow]) -> list[RegionRow]:
    """Scores of the cases of all processes, sorted by case; each process must ask."""
    from brats3d.training.processes import of_all_processes

    return sorted((row for part in of_all_processes(own) for row in part), key=lambda row: row.case_id)


def _patches_per_second(trainer: Trainer) -> float:
    """Rate of this session over all processes; 0 if it made but one step."""
    from brats3d.training.progress import TrainingProgress

    return next(own for own in trainer.callbacks if isinstance(own, TrainingProgress)).samples_per_second()


def _held_out(cases: Mapping[str, Sequence[Case]]) -> tuple[str | None, Sequence[Case]]:
    """Test cases, else validation cases, else none; and which of these they are."""
    part = next((name for name in ("test", "val") if cases[name]), None)
    return part, [] if part is None else cases[part]


def _announce(run: RunFolder, cases: Mapping[str, Sequence[Case]], found: Discovery) -> None:
    run.invite()
    logger.info(
        "run %s: %d training, %d validation, %d test cases (layout %s, labels %s)",
        run.path,
        *(len(cases[part]) for part in PARTS),
        found.layout,
        found.convention.name,
    )


def _training_data(
    config: FitConfig,
    cases: Mapping[str, Sequence[Case]],
    prepared: Sequence[StoredCase],
    device: torch.device,
) -> PatchDataModule:
    train, val = len(cases["train"]), len(cases["val"])
    classifies = config.task == assembly.CLASSIFY
    build = assembly.build_classification_data if classifies else assembly.build_training_data
    return build(config, prepared[:train], prepared[train : train + val], device)


def _train(trainer: Trainer, module: Any, data: Any, run: RunFolder, checkpoint: Path | None) -> None:
    """Train, from a checkpoint where one is given; without a first checkpoint no run is left.

    Raises:
        OutputError: Disk full, or the folder of the run cannot be written to any more.
        KeyboardInterrupt: As it came; the run can be resumed.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
    except SystemExit as error:
        # Lightning exits with 1 on an interruption and leaves the process deaf to further ones.
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from error
    except OSError as error:
        if error.errno in _WRITE_ERRORS:
            raise output_error(run.path, error) from error
        raise
    finally:
        if trainer.is_global_zero:
            run.discard_unless_resumable()


def find_cases(config: FitConfig) -> Discovery:
    """Cases of the data set, or phantoms (made on first use) when none is named.

    Raises:
        LayoutError: No data set there, or more than one kind fits.
        DataError: A case lacks a modality or its label map.
        ConfigError: Unknown layout or convention.
    """
    if config.data.root is not None:
        found = assembly.discover_cases(config.data, config.data.root)
    else:
        found = assembly.discover_cases(config.data, _phantoms(config))
    found = found.for_training()
    for note in found.notes:
        logger.info(note)
    modalities = assembly.modalities(config)
    for case in found.cases:
        case.require(modalities, label=True)
    return found


def _phantoms(config: FitConfig) -> Path:
    chosen, layout, root = config.data.phantoms, phantom_layout(config.data), phantom_folder(config)
    complete = root / ".complete"
    if not complete.exists():
        shutil.rmtree(root, ignore_errors=True)  # what an interrupted session left
        logger.info("no data.root: making %d phantoms", chosen.cases)
        synthesize(
            root,
            cases=chosen.cases,
            layout=layout,
            size=chosen.size,
            seed=chosen.seed,
            parameters=PhantomParameters(probability_without_et=chosen.without_et),
            quiet=True,
        )
        complete.touch()
    return root


def _split_cases(split: Split, cases: Sequence[Case], resumed: RunFolder | None) -> dict[str, list[Case]]:
    """Cases of each part.

    Raises:
        ConfigError: Nothing is left to train on.
        RunError: A resumed run names a case that is gone.
    """
    if not split.train:
        raise ConfigError(
            "no case is left for training",
            where="split",
            got=f"{len(split.val)} validation and {len(split.test)} test cases",
            remedy="lower split.val and split.test",
        )
    known = {case.case_id: case for case in cases}
    gone = [name for part in PARTS for name in getattr(split, part) if name not in known]
    if gone:
        raise RunError(
            "a case of the run is no longer in the data set",
            where=gone[0],
            got=f"{len(gone)} missing cases" + (f" of {resumed.path}" if resumed else ""),
            remedy="bring the data set back to what it was when the run began",
        )
    return {part: [known[name] for name in getattr(split, part)] for part in PARTS}


def _score(
    config: FitConfig,
    weights: Path | None,
    convention: LabelConvention,
    cases: Sequence[Case],
    module: Any,
    machine: assembly.Hardware,
) -> list[RegionRow]:
    """Score a checkpoint, if there is one, on whole cases, on the grid of their files."""
    from brats3d.training.checkpoints import read_checkpoint

    if weights is None:
        return []
    module.load_state_dict(read_checkpoint(weights)["state_dict"])
    # After a training Lightning leaves the network in main memory.
    network = module.network.to(machine.device)
    segmentation = CaseSegmentation(
        assembly.build_preprocessing(config),
        assembly.build_segmenter(config, network, module.head, machine.inference),
        assembly.build_postprocessing(config, convention),
        convention,
        assembly.build_refinement(config, convention, machine.device),
    )
    return score_cases(segmentation, cases)


def quiet_lightning() -> Any:
    """Import Lightning and keep its notices, which say nothing to a user, out of the output."""
    import pytorch_lightning as pl

    for name in ("pytorch_lightning", "lightning_fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric)\..*")
    return pl
