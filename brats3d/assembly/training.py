"""From the configuration to what Lightning trains with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brats3d.assembly.class_weights import build_training_loss
from brats3d.assembly.hardware import Hardware, compile_mode
from brats3d.assembly.model import build_head, build_network, build_postprocessing, build_segmenter
from brats3d.assembly.samples import build_validation_samples
from brats3d.config import FitConfig, OptimConfig, to_plain
from brats3d.errors import ConfigError
from brats3d.labels import LabelConvention
from brats3d.postprocessing import Postprocessing
from brats3d.registry import look_up

if TYPE_CHECKING:
    from pytorch_lightning import Callback, Trainer
    from pytorch_lightning.loggers import Logger

    from brats3d.training.clock import Clock
    from brats3d.training.module import SegmentationModule
    from brats3d.training.progress import TrainingProgress
    from brats3d.training.trained_network import Optimisation

SHARDED = "fsdp2"


def build_module(
    config: FitConfig,
    convention: LabelConvention,
    machine: Hardware,
    clock: Clock,
    *,
    pretrained: bool = False,
) -> SegmentationModule:
    """Network, loss, optimiser and validation, ready for Lightning's ``Trainer``.

    Args:
        config: Configuration of the run.
        convention: Names the regions.
        machine: Device, and precision of the validation.
        clock: The training clock.
        pretrained: Whether the network starts from ``model.params.pretrained``: for a new run only.

    Raises:
        ConfigError: An unknown name or parameter anywhere in model, loss or optimisation.
    """
    from brats3d.models import lay_out
    from brats3d.models.encoder_parts import encoder_parts, freeze
    from brats3d.training.module import SegmentationModule

    optimisation = build_optimisation(config.optim)
    head = build_head(config, convention)
    sharded = config.trainer.strategy == SHARDED
    mode = None if sharded else compile_mode(config.trainer.compile, machine.device)
    network = lay_out(
        build_network(config, head, pretrained=pretrained),
        config.model.spatial_dims,
        device=machine.device,
        compiled=mode is not None,
        channels_last=False if sharded else config.trainer.channels_last,  # parts need contiguous weights
    )
    if config.init_frozen:
        freeze(encoder_parts(config.model.name, network))
    postprocessing = build_postprocessing(config, convention)
    return SegmentationModule(
        network,
        head=head,
        loss=build_training_loss(config, head.out_channels),
        optimisation=optimisation,
        # Mirror images would multiply the time of every validation and hardly change its ranking.
        segmenter=build_segmenter(config, network, head, machine.inference, flips=False),
        regions_of=_RegionsOf(postprocessing, convention),
        region_names=convention.region_names,
        class_table=convention.class_table,
        clock=clock,
        compile_mode=mode,
        validation_samples=build_validation_samples(config),
    )


def build_optimisation(optim: OptimConfig) -> Optimisation:
    """Optimiser and schedule.

    Raises:
        ConfigError: An unknown name.
    """
    from brats3d.training.optimisers import OPTIMISERS, SCHEDULES
    from brats3d.training.trained_network import Optimisation

    look_up(OPTIMISERS, optim.name, "optim.name")
    look_up(SCHEDULES, optim.schedule, "optim.schedule")
    return Optimisation(
        name=optim.name,
        lr=optim.lr,
        weight_decay=optim.weight_decay,
        momentum=optim.momentum,
        schedule=optim.schedule,
        warmup=optim.warmup,
        plateau_patience=optim.plateau_patience,
        plateau_factor=optim.plateau_factor,
        lr_scaling=optim.lr_scaling,
    )


def build_clock(config: FitConfig, started_at: float) -> Clock:
    """Clock of a training that began at ``started_at`` (``time.monotonic()``)."""
    from brats3d.training.clock import Clock

    chosen = config.trainer
    return Clock(max_epochs=chosen.max_epochs, max_minutes=chosen.max_minutes, started_at=started_at)


def build_trainer(config: FitConfig, machine: Hardware, clock: Clock, run: Path) -> Trainer:
    """Lightning's ``Trainer`` with logs and checkpoints in the folder of a run; writes nothing yet.

    Args:
        config: Configuration of the run.
        machine: Device and precision.
        clock: The training clock, shared with the module.
        run: Folder of the run.

    Raises:
        ConfigError: Devices or a strategy that do not work, or not with other settings.
    """
    from lightning_fabric.utilities.exceptions import MisconfigurationException
    from pytorch_lightning import Trainer

    chosen = config.trainer
    if chosen.sync_batchnorm and machine.device == "cpu":
        raise ConfigError(
            "batch norm over several processes needs GPUs",
            where="trainer.sync_batchnorm",
            got="true on a CPU",
            remedy="leave it out; instance norm needs no other process's batch",
        )
    settings: dict[str, Any] = {
        "accelerator": machine.accelerator,
        "devices": 1 if chosen.devices == "auto" and machine.accelerator == "cpu" else chosen.devices,
        "num_nodes": chosen.num_nodes,
        "strategy": _strategy(config),
        # What is gathered in a validation must be fit for training afterwards.
        "inference_mode": chosen.strategy != SHARDED,
        "sync_batchnorm": chosen.sync_batchnorm,
        "precision": machine.training,
        "max_epochs": chosen.max_epochs,
        "gradient_clip_val": chosen.gradient_clip_val,
        "accumulate_grad_batches": chosen.accumulate_grad_batches,
        "check_val_every_n_epoch": chosen.check_val_every_n_epoch,
        "log_every_n_steps": chosen.log_every_n_steps,
        "deterministic": chosen.deterministic,
        # Patches all have one size, so what cuDNN finds fastest for the first is so for all.
        "benchmark": machine.device == "cuda" and not chosen.deterministic,
        "num_sanity_val_steps": 0,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
        "default_root_dir": run,
        "logger": build_loggers(run),
        "callbacks": _callbacks(config, clock, run),
        "plugins": _plugins(),
    }
    try:
        return Trainer(**settings)
    except (MisconfigurationException, ValueError) as error:
        raise ConfigError(
            "Lightning cannot train with these settings",
            where="trainer",
            got=" ".join(str(error).split())[:400],
            remedy="check trainer.devices, trainer.num_nodes and trainer.strategy",
        ) from error


def _plugins() -> list[Any]:
    from brats3d.training.checkpoints import AtomicCheckpointIO
    from brats3d.training.together.ranks import chosen_environment

    environment = chosen_environment()
    return [AtomicCheckpointIO(), *([] if environment is None else [environment])]


def build_loggers(run: Path) -> list[Logger]:
    """Loggers that write into the folder of a run."""
    from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

    # A part of its own for each session: the logger starts its file anew.
    part = f"part-{len(list((run / 'logs').glob('csv/part-*')))}"
    return [
        TensorBoardLogger(run, name="logs", version="tensorboard"),
        CSVLogger(run / "logs", name="csv", version=part),
    ]


def _callbacks(config: FitConfig, clock: Clock, run: Path) -> list[Callback]:
    from brats3d.training.averaging import MovingAverage
    from brats3d.training.checkpoints import BestAndLast
    from brats3d.training.frozen_encoder import FrozenEncoder
    from brats3d.training.interruption import Interruption
    from brats3d.training.kept_memory import KeptMemory
    from brats3d.training.loggers import FurtherLoggers
    from brats3d.training.seeding import BatchSeeds

    chosen, interruption = config.trainer, Interruption()
    further = [FurtherLoggers(chosen.loggers, run, to_plain(config))] if chosen.loggers else []
    average = [] if config.optim.ema_decay is None else [MovingAverage(config.optim.ema_decay)]
    dwell = [] if config.optim.dwell is None else [_dwell(config)]
    frozen = [FrozenEncoder(config.model.name)] if config.init_frozen else []
    return [
        BatchSeeds(config.seed),
        *frozen,
        KeptMemory(),
        *average,
        clock,
        _progress(config)(clock, batch_size=config.patch.batch_size, bar=chosen.enable_progress_bar),
        interruption,
        *further,
        *dwell,
        *(
            []
            if (patience := chosen.early_stopping_patience) is None
            else [_early_stopping(patience, config, clock)]
        ),
        BestAndLast(
            run / "checkpoints",
            minutes=chosen.checkpoint_every_n_minutes,
            interruption=interruption,
            monitor=monitored(config),
        ),
    ]


def _dwell(config: FitConfig) -> Callback:
    """Callback that goes back to the best weights.

    Raises:
        ConfigError: A factor that cannot work, or settings that it cannot work with.
    """
    from brats3d.training.dwell import Dwell

    factor, decay = config.optim.dwell, config.optim.ema_decay
    assert factor is not None
    if not 0 < factor < 1:
        raise ConfigError(
            "dwell lowers the learning rate by a factor", where="optim.dwell", got=factor, expected="(0, 1)"
        )
    for where, works, got, remedy in (
        ("optim.ema_decay", decay is None, decay, "set optim.ema_decay to null"),
        ("trainer.strategy", config.trainer.strategy != SHARDED, SHARDED, "use ddp"),
    ):
        if not works:
            raise ConfigError("dwell needs the weights themselves", where=where, got=got, remedy=remedy)
    return Dwell(factor)


def monitored(config: FitConfig) -> str:
    """Logged metric that the best checkpoint has the highest value of."""
    return f"val/{config.classify.monitor}" if config.task == "classify" else "val/dice"


def _progress(config: FitConfig) -> type[TrainingProgress]:
    from brats3d.training.classification_progress import ClassificationProgress
    from brats3d.training.progress import TrainingProgress

    return ClassificationProgress if config.task == "classify" else TrainingProgress


def _early_stopping(patience: int, config: FitConfig, clock: Clock) -> Callback:
    from brats3d.training.early_stopping import EarlyStopping

    if patience < 1:
        raise ConfigError(
            "nothing to wait for", where="trainer.early_stopping_patience", got=patience, expected="1 or more"
        )
    return EarlyStopping(patience, clock, monitored(config))


def _strategy(config: FitConfig) -> Any:
    """Lightning's strategy of that name, or ours.

    Raises:
        ConfigError: A strategy that cannot work, or not with other settings.
    """
    chosen = config.trainer
    if chosen.strategy.startswith(("fsdp", "deepspeed")) and chosen.strategy != SHARDED:
        raise ConfigError(
            "a strategy that this package does not support",
            where="trainer.strategy",
            got=chosen.strategy,
            expected=f"auto, ddp or {SHARDED}",
            remedy=f"use {SHARDED} to share out weights and optimiser states over the processes",
        )
    if chosen.strategy != SHARDED:
        return chosen.strategy
    excluded = {
        "optim.ema_decay": (config.optim.ema_decay, None, "null"),
        "trainer.sync_batchnorm": (chosen.sync_batchnorm, False, "false"),
        "trainer.compile": (chosen.compile in ("auto", "off"), True, "off"),
    }
    for where, (got, works, value) in excluded.items():
        if got != works:
            raise ConfigError(
                f"{SHARDED} shares out the weights over the processes, which this setting cannot",
                where=where,
                remedy=f"--{where} {value}, or --trainer.strategy ddp",
            )
    from brats3d.training.sharding import ShardedStrategy

    return ShardedStrategy()


@dataclass(frozen=True)
class _RegionsOf:
    """Thresholding as in prediction; rules in millilitres do not apply to prepared grids."""

    postprocessing: Postprocessing
    convention: LabelConvention

    def __call__(self, probabilities: Any) -> Any:
        plain = Postprocessing(thresholds=self.postprocessing.thresholds)
        return plain.regions(probabilities, self.convention, voxel_volume_ml=1e-3)
