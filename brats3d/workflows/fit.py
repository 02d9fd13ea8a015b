"""Train, validate, test the best checkpoint on the held-out split, write the run."""

from __future__ import annotations

import errno
import logging
import signal
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brats3d import assembly
from brats3d.cases import Case
from brats3d.config import FitConfig, save_config, to_plain, with_absolute_paths
from brats3d.data.store import StoredCase
from brats3d.errors import output_error
from brats3d.files import write_json
from brats3d.labels import LabelConvention
from brats3d.metrics import RegionRow, summarise, write_metrics_csv
from brats3d.training.together.group import TrainingGroup
from brats3d.training.together.start_checks import check_batches
from brats3d.workflows import finetuning
from brats3d.workflows.beginning import Beginning, begin
from brats3d.workflows.classify import HeldOutCase, judge_held_out, write_gate
from brats3d.workflows.common_ground import common_ground
from brats3d.workflows.held_out import HeldOutScores, score_cases
from brats3d.workflows.report_at_end import report_at_end
from brats3d.workflows.runs import RunFolder, invite_no_more
from brats3d.workflows.segmentation import CaseSegmentation
from brats3d.workflows.training_cases import PARTS, TrainingCases, choose_cases

if TYPE_CHECKING:
    import torch
    from pytorch_lightning import Trainer

    from brats3d.training.clock import Clock
    from brats3d.training.datamodule import PatchDataModule

logger = logging.getLogger(__name__)
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
    try:
        with TrainingGroup.joined(config.trainer.num_nodes, config.trainer.devices) as group:
            return _fit(config, group, started_at)
    finally:
        invite_no_more()


@dataclass(frozen=True)
class _Trained:
    """A training that has come to its end.

    Attributes:
        run: Its folder.
        config: Its configuration, with the weights of classes that were computed.
        prepared: Its cases as they were prepared.
        machine: Hardware.
        module: Module into which checkpoints can be read, whole on this process.
        trainer: Trainer.
        minutes: What it took.
    """

    run: RunFolder
    config: FitConfig
    prepared: Sequence[StoredCase]
    machine: assembly.Hardware
    module: Any
    trainer: Trainer
    minutes: float

    @property
    def classifies(self) -> bool:
        return self.config.task == assembly.CLASSIFY


@dataclass(frozen=True)
class _HeldOut:
    """What the cases held out say of a training.

    Attributes:
        part: test, or val where nothing is kept for a test; None: no case is held out.
        scored: Scores of the best checkpoint.
        before: Scores of the weights that the training started from.
        judged: Images of a classifier; then there are no scores.
    """

    part: str | None
    scored: HeldOutScores = field(default_factory=HeldOutScores)
    before: HeldOutScores = field(default_factory=HeldOutScores)
    judged: Sequence[HeldOutCase] = ()


def _fit(given: FitConfig, group: TrainingGroup, started_at: float) -> FitResult:
    """Do the same as one of a group of processes."""
    begun = begin(given, follows=group.follows)
    group.run, group.discard = begun.run.path, begun.run.discard_unless_resumable
    cases = choose_cases(begun.config, begun.resumed)
    if begun.initial is not None:
        finetuning.check_unseen(begun.initial, cases.split, cases.found.cases)
    assembly.check_task(begun.config, cases.found.cases)
    trained = _train(begun, cases, group, started_at)
    held_out = _judge(trained, cases)
    group.part()
    if group.follows:
        # The process that leads writes; what called this function shall not do so twice.
        raise SystemExit(0)
    summary, text = _write_scores(trained, held_out)
    summary["minutes"] = round((time.monotonic() - started_at) / 60, 2)
    write_json(trained.run.metrics_json, summary)
    report_at_end(trained.run.path, trained.config)
    return FitResult(trained.run.path, held_out.scored.rows, summary, text, held_out.before.rows)


def _train(begun: Beginning, cases: TrainingCases, group: TrainingGroup, started_at: float) -> _Trained:
    """Train to the end, as one of a group of processes."""
    config, convention = begun.config, cases.found.convention
    quiet_lightning().seed_everything(config.seed, verbose=False)
    machine = assembly.hardware(config.trainer.accelerator, config.trainer.precision)
    clock = assembly.build_clock(config, started_at)
    module = _module(begun, cases, machine, clock)
    trainer = assembly.build_trainer(config, machine, clock, begun.run.path)
    check_batches(config.patch, trainer.num_nodes * trainer.num_devices)
    group.expect(trainer)
    prepared = cases.prepared(config)
    data = _training_data(config, cases.parts, prepared, trainer.strategy.root_device)
    group.prepare(
        trainer,
        lambda: common_ground(begun.given, config, begun.run, cases.parts, prepared, begun.checkpoint),
    )
    if config.task != assembly.CLASSIFY:
        config = assembly.with_class_weights(config, convention, data.training)
        module.loss = assembly.build_training_loss(config, module.head.out_channels)
    if not group.follows:
        # Only now, when nothing about data and settings can fail any more, there is a run.
        _write_beginning(replace(begun, config=config), cases, module)
    _run_trainer(trainer, module, data, begun.run, begun.checkpoint)
    group.trained()
    minutes = clock.elapsed_s / 60
    if config.trainer.strategy == assembly.SHARDED:  # a network whose weights are all here
        module = assembly.build_module(config, convention, machine, clock)
    return _Trained(begun.run, config, prepared, machine, module, trainer, minutes)


def _judge(trained: _Trained, cases: TrainingCases) -> _HeldOut:
    """Ask the best checkpoint about the cases held out; each process must, and judges its share."""
    run, config, trainer = trained.run, trained.config, trained.trainer
    own = slice(trainer.global_rank, None, trainer.world_size)
    part, held_out = cases.held_out()
    if trained.classifies:
        judged = judge_held_out(run, cases.parts, trained.prepared, own, trained.module, trained.machine)
        return _HeldOut(part, judged=judged)
    scored, before = (
        _of_all(_score(trained, weights, cases.found.convention, held_out[own]))
        for weights in (run.checkpoint(), None if config.init is None else run.initial)
    )
    return _HeldOut(part, scored, before)


def _write_scores(trained: _Trained, held_out: _HeldOut) -> tuple[dict[str, Any], str]:
    """Write the tables of a run; return its summary, and the scores of a classifier as text."""
    run, config, text = trained.run, trained.config, ""
    if trained.classifies:
        scores, text = write_gate(config, run, held_out.judged)
    else:
        scores = summarise(held_out.scored.rows)
    summary = {**scores, "split": held_out.part, "checkpoint": run.checkpoint().name}
    if held_out.before.rows:
        summary.update(finetuning.change(held_out.before.rows, held_out.scored.rows))
        write_metrics_csv(run.path / "metrics_before.csv", held_out.before.rows)
    if not trained.classifies:
        summary["postprocess"] = to_plain(config.postprocess)
        held_out.scored.write(run)
        if missing := held_out.scored.never_predicted():
            logger.warning(
                "not one voxel of %s was predicted in the held-out cases: train for longer, with a lower "
                "optim.lr, or with a loss that sees the background (loss.name dice_ce)",
                ", ".join(missing),
            )
    summary["training_minutes"] = round(trained.minutes, 2)
    summary["patches_per_second"] = round(_patches_per_second(trained.trainer), 3)
    return summary, text


def _module(begun: Beginning, cases: TrainingCases, machine: assembly.Hardware, clock: Clock) -> Any:
    """What Lightning trains, with the weights that the training starts from."""
    config, convention = begun.config, cases.found.convention
    fresh = begun.resumed is None and begun.initial is None
    classifies = config.task == assembly.CLASSIFY
    build = assembly.build_classification_module if classifies else assembly.build_module
    module = build(config, convention, machine, clock, pretrained=fresh)
    if begun.initial is not None:
        finetuning.start(module, begun.initial, convention)
    return module


def _write_beginning(begun: Beginning, cases: TrainingCases, module: Any) -> None:
    run, found = begun.run, cases.found
    if begun.resumed is None:
        run.begin(begun.config, split=cases.split, layout=found.layout, convention=found.convention)
        if begun.initial is not None:
            finetuning.keep_initial(module, run)
    else:
        save_config(begun.config, run.path / "config.yaml")
    run.invite()
    logger.info(
        "run %s: %d training, %d validation, %d test cases (layout %s, labels %s)",
        run.path,
        *(len(cases.parts[part]) for part in PARTS),
        found.layout,
        found.convention.name,
    )


def _of_all(own: HeldOutScores) -> HeldOutScores:
    """Scores of the cases of all processes; each process must ask."""
    from brats3d.training.processes import of_all_processes

    return HeldOutScores.together(of_all_processes(own))


def _patches_per_second(trainer: Trainer) -> float:
    """Rate of this session over all processes; 0 if it made but one step."""
    from brats3d.training.progress import TrainingProgress

    return next(own for own in trainer.callbacks if isinstance(own, TrainingProgress)).samples_per_second()


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


def _run_trainer(trainer: Trainer, module: Any, data: Any, run: RunFolder, checkpoint: Path | None) -> None:
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


def _score(
    trained: _Trained, weights: Path | None, convention: LabelConvention, cases: Sequence[Case]
) -> HeldOutScores:
    """Score a checkpoint, if there is one, on whole cases, on the grid of their files."""
    from brats3d.training.checkpoints import read_checkpoint

    if weights is None:
        return HeldOutScores()
    config, machine, module = trained.config, trained.machine, trained.module
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
