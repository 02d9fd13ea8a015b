"""The composition root: the only place where configuration becomes objects."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brats3d.cases import Case, modality_named
from brats3d.config import DataConfig, FitConfig, SplitConfig
from brats3d.data.discovery import Discovery, discover
from brats3d.data.splits import (
    Split,
    split_by_fractions,
    split_from_csv,
    split_into_folds,
    strata_by_presence,
)
from brats3d.errors import ConfigError, closest_first
from brats3d.labels import LabelConvention, convention_named, custom_convention
from brats3d.postprocessing import Postprocessing
from brats3d.transforms.preprocessing import Preprocessing

if TYPE_CHECKING:
    from pytorch_lightning import Trainer
    from torch import nn

    from brats3d.data.datasets import PatchDataset, SliceDataset
    from brats3d.data.store import StoredCase
    from brats3d.inference.forward import Precision
    from brats3d.inference.segmenter import Segmenter
    from brats3d.models.heads import Head
    from brats3d.training.clock import Clock
    from brats3d.training.datamodule import PatchDataModule
    from brats3d.training.module import SegmentationModule
    from brats3d.transforms.augmentation import Augmentation


@dataclass(frozen=True)
class Hardware:
    """Where the computing is done.

    Attributes:
        accelerator: Lightning's name, cpu or gpu.
        device: Torch's name, cpu or cuda.
        training: Lightning's precision, such as bf16-mixed.
        inference: bf16, fp16 or fp32.
    """

    accelerator: str
    device: str
    training: str
    inference: Precision


def hardware(accelerator: str, precision: str) -> Hardware:
    """Choose device and precision: bf16 where the hardware is fast at it, CPUs included.

    Args:
        accelerator: auto, cpu, gpu or cuda.
        precision: auto or a name of Lightning's.

    Raises:
        ConfigError: A GPU is asked for where there is none, or a precision that is unknown or not to
            be had here.
    """
    import torch

    choices = ("auto", "cpu", "gpu", "cuda")
    if accelerator not in choices:
        raise ConfigError(
            f"unknown accelerator {accelerator!r}",
            where="trainer.accelerator",
            expected="one of " + ", ".join(closest_first(accelerator, choices)),
        )
    has_gpu = torch.cuda.is_available()
    if accelerator in {"gpu", "cuda"} and not has_gpu:
        raise ConfigError(
            "no GPU is available",
            where="trainer.accelerator",
            got=accelerator,
            remedy="use --trainer.accelerator cpu, or install a torch built for your GPU",
        )
    device = "cuda" if has_gpu and accelerator != "cpu" else "cpu"
    named: dict[str, Precision] = {"bf16-mixed": "bf16", "16-mixed": "fp16", "32-true": "fp32", "32": "fp32"}
    if precision == "auto":
        precision = _fast_precision(device)
    if precision not in named:
        ordered = closest_first(precision, ["auto", *named])
        raise ConfigError(
            f"unknown precision {precision!r}",
            where="trainer.precision",
            expected="one of " + ", ".join(ordered),
            remedy=f"did you mean {ordered[0]!r}?",
        )
    if device == "cpu" and precision == "16-mixed":
        raise ConfigError(
            "float16 needs a GPU",
            where="trainer.precision",
            got=f"{precision} on a CPU",
            remedy="use --trainer.precision auto, which takes what is fast here",
        )
    return Hardware("gpu" if device == "cuda" else "cpu", device, precision, named[precision])


def _fast_precision(device: str) -> str:
    import torch

    if device == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    # Without AVX512-BF16 or AMX, bf16 is emulated and slower than float32.
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16-mixed" if fast else "32-true"


def label_convention(data: DataConfig) -> LabelConvention | str:
    """Label convention of the data set: the user's mapping, a built-in one, or ``auto``.

    Raises:
        ConfigError: Unknown convention or tissue.
    """
    if data.labels is not None:
        return custom_convention(data.labels, data.regions)
    if data.regions is not None:
        raise ConfigError(
            "data.regions without data.labels",
            where="data.regions",
            remedy="say in data.labels which value is which tissue, such as {1: tumor}",
        )
    return "auto" if data.convention == "auto" else convention_named(data.convention)


def discover_cases(data: DataConfig, root: Path) -> Discovery:
    """Find the cases under ``root``, as the configuration says.

    Raises:
        LayoutError: No data set there, or more than one kind fits.
        ConfigError: Unknown layout or convention.
    """
    return discover(root, layout=data.layout, pattern=data.pattern, convention=label_convention(data))


def split_cases(config: SplitConfig, cases: Sequence[Case]) -> Split:
    """Part the cases, by patient, as the configuration says.

    Raises:
        ConfigError: Too few patients, or a table that does not fit the cases.
    """
    if config.csv is not None:
        return split_from_csv(cases, Path(config.csv))
    strata: Mapping[str, Hashable] | None = None
    if config.stratify and cases:
        strata = strata_by_presence(cases, cases[0].convention.regions[0])
    test = _count_or_fraction(config.test)
    if config.folds is not None:
        return split_into_folds(
            cases, folds=config.folds, fold=config.fold, test=test, seed=config.seed, strata=strata
        )
    val = _count_or_fraction(config.val)
    return split_by_fractions(cases, val=val, test=test, seed=config.seed, strata=strata)


def _count_or_fraction(value: float) -> float | int:
    return value if value < 1 else int(value)


def modalities(config: FitConfig) -> tuple[str, ...]:
    """Modalities in the network's channel order."""
    return tuple(modality_named(name) for name in config.data.modalities)


def build_preprocessing(config: FitConfig) -> Preprocessing:
    """Preprocessing of every case.

    Raises:
        ConfigError: A setting that cannot work.
    """
    chosen = config.preprocess
    if config.model.spatial_dims == 2 and chosen.orientation != "RAS":
        raise ConfigError(
            "slices need the orientation RAS",
            where="preprocess.orientation",
            got=chosen.orientation,
            expected="RAS, so that axial, coronal and sagittal mean what they say",
        )
    return Preprocessing(
        modalities=modalities(config),
        orientation=chosen.orientation,
        spacing_mm=chosen.spacing_mm,
        crop_to_brain=chosen.crop_to_brain,
        margin_voxels=chosen.margin_voxels,
        normalise=chosen.normalise,
        clip=chosen.clip,
        bias_field=chosen.bias_field,
        denoise=chosen.denoise,
        label_geometry=config.data.label_geometry,
    )


def build_postprocessing(config: FitConfig, convention: LabelConvention) -> Postprocessing:
    """Postprocessing of probabilities.

    Raises:
        ConfigError: A rule for a region that does not exist, or a value that cannot work.
    """
    chosen = config.postprocess
    made = Postprocessing(
        thresholds=chosen.thresholds,
        min_component_ml=chosen.min_component_ml,
        et_to_ncr_below_ml=chosen.et_to_ncr_below_ml,
    )
    made.check(convention.region_names)
    return made


def build_head(config: FitConfig, convention: LabelConvention) -> Head:
    """Meaning of the network's output channels.

    Raises:
        ConfigError: Unknown head.
    """
    from brats3d.models.heads import Head

    return Head(config.model.head, convention.class_table)


def build_network(config: FitConfig, head: Head) -> nn.Module:
    """Network with freshly drawn weights.

    Raises:
        ConfigError: Unknown name or parameter, or a patch size the network cannot take.
    """
    from brats3d import models

    chosen = config.model
    for key, size in (("patch.size", config.patch.size), ("inference.window", config.inference.window)):
        if size is not None and len(size) != chosen.spatial_dims:
            raise ConfigError(
                "the patch has another number of dimensions than the network",
                where=key,
                got=tuple(size),
                expected=f"{chosen.spatial_dims} numbers, since model.spatial_dims is {chosen.spatial_dims}",
            )
        if size is not None:
            models.check_patch_size(chosen.name, chosen.params, size)
    return models.build_network(
        chosen.name,
        spatial_dims=chosen.spatial_dims,
        in_channels=len(config.data.modalities),
        out_channels=head.out_channels,
        params=chosen.params,
    )


def build_segmenter(
    config: FitConfig,
    network: nn.Module,
    head: Head,
    precision: Precision,
    *,
    flips: bool | None = None,
    overlap: float | None = None,
) -> Segmenter:
    """Whole-volume inference with a network.

    Args:
        config: Configuration of the run.
        network: The network, on the device it shall run on.
        head: Meaning of its output.
        precision: bf16, fp16 or fp32.
        flips: Test-time flips; None as the configuration says.
        overlap: Overlap of windows; None as the configuration says.
    """
    from brats3d.inference.slices import SliceSegmenter
    from brats3d.inference.sliding_window import SlidingWindowSegmenter

    chosen = config.inference
    flips = chosen.flips if flips is None else flips
    window = chosen.window or config.patch.size
    if config.model.spatial_dims == 2:
        return SliceSegmenter(
            network,
            head,
            axis=config.slices.axis,
            slice_size=window,
            slice_batch=chosen.window_batch,
            flips=flips,
            precision=precision,
        )
    return SlidingWindowSegmenter(
        network,
        head,
        patch_size=window,
        overlap=chosen.overlap if overlap is None else overlap,
        window_batch=chosen.window_batch,
        flips=flips,
        precision=precision,
    )


def build_training_data(
    config: FitConfig, training: Sequence[StoredCase], validation: Sequence[StoredCase]
) -> PatchDataModule:
    """Patches or slices for training, prepared cases for validation.

    Raises:
        ConfigError: A setting that cannot work.
    """
    from brats3d.training.datamodule import PatchDataModule

    patch = config.patch
    if patch.per_epoch < patch.batch_size:
        raise ConfigError(
            "an epoch is shorter than one batch",
            where="patch.per_epoch",
            got=patch.per_epoch,
            expected=f"at least patch.batch_size ({patch.batch_size})",
        )
    return PatchDataModule(
        _training_set(config, training),
        validation,
        batch_size=patch.batch_size,
        samples_per_epoch=patch.per_epoch,
        workers=_workers(config.data.workers),
    )


def _training_set(config: FitConfig, cases: Sequence[StoredCase]) -> PatchDataset | SliceDataset:
    from brats3d.data.datasets import PatchDataset, SliceDataset

    shared: dict[str, Any] = {
        "size": config.patch.size,
        "foreground": config.patch.foreground,
        "augmentation": build_augmentation(config),
        "seed": config.seed,
    }
    if config.model.spatial_dims == 3:
        return PatchDataset(cases, **shared)
    from brats3d.inference.slices import SLICE_AXES
    from brats3d.registry import look_up

    axis = look_up(SLICE_AXES, config.slices.axis, "slices.axis")
    ranges = [_slice_range(config, case, axis) for case in cases]
    return SliceDataset(cases, axis=axis, ranges=ranges, **shared)


def _slice_range(config: FitConfig, case: StoredCase, axis: int) -> tuple[int, int]:
    from brats3d.transforms.restoration import Restoration

    way_back = Restoration.from_dict(case.record["restoration"])
    extent = way_back.prepared_shape[axis]
    full = way_back.original_shape[way_back.axes[axis]]
    first = 0 if config.slices.first is None else config.slices.first
    last = full - 1 if config.slices.last is None else config.slices.last
    start, stop = way_back.box_start[axis], way_back.box_stop[axis]
    scale = extent / (stop - start)
    low = max(0, int((first - start) * scale))
    high = min(extent, round((last + 1 - start) * scale))
    if low >= high:
        raise ConfigError(
            "the range of slices holds no brain",
            where="slices.first, slices.last",
            got=f"{first} to {last} in case {case.case_id}",
            expected=f"slices within {start} to {stop - 1}",
        )
    return low, high


def build_augmentation(config: FitConfig) -> Augmentation:
    """Random changes of training samples.

    Raises:
        ConfigError: A range or probability that cannot work.
    """
    import dataclasses

    from brats3d.transforms.augmentation import build_augmentation as build

    return build(config.model.spatial_dims, **dataclasses.asdict(config.augment))


def _workers(configured: int | None) -> int:
    """Worker processes: as configured, else one per core that the training leaves over, at most 8."""
    if configured is not None:
        return configured
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, cores - 1))


def build_module(
    config: FitConfig, convention: LabelConvention, precision: Precision, clock: Clock
) -> SegmentationModule:
    """Network, loss, optimiser and validation, ready for Lightning's ``Trainer``.

    Args:
        config: Configuration of the run.
        convention: Names the regions.
        precision: Precision of the validation: bf16, fp16 or fp32.
        clock: The training clock.

    Raises:
        ConfigError: An unknown name or parameter anywhere in model, loss or optimisation.
    """
    from brats3d.losses import build_loss
    from brats3d.losses.deep_supervision import DeepSupervisionLoss
    from brats3d.training.module import Optimisation, SegmentationModule

    head = build_head(config, convention)
    network = build_network(config, head)
    loss = build_loss(config.loss.name, head=config.model.head, params=config.loss.params)
    postprocessing = build_postprocessing(config, convention)
    optim = config.optim
    return SegmentationModule(
        network,
        head=head,
        loss=DeepSupervisionLoss(loss),
        optimisation=Optimisation(
            name=optim.name,
            lr=optim.lr,
            weight_decay=optim.weight_decay,
            momentum=optim.momentum,
            schedule=optim.schedule,
            warmup=optim.warmup,
            plateau_patience=optim.plateau_patience,
            plateau_factor=optim.plateau_factor,
        ),
        # Mirror images would multiply the time of every validation and hardly change its ranking.
        segmenter=build_segmenter(config, network, head, precision, flips=False),
        regions_of=_RegionsOf(postprocessing, convention),
        region_names=convention.region_names,
        class_table=convention.class_table,
        clock=clock,
    )


def build_clock(config: FitConfig, started_at: float) -> Clock:
    """Clock of a training that began at ``started_at`` (``time.monotonic()``).

    Raises:
        ConfigError: No time or no epoch to train in.
    """
    from brats3d.training.clock import Clock

    chosen = config.trainer
    if chosen.max_epochs < 1 or (chosen.max_minutes is not None and not chosen.max_minutes > 0):
        raise ConfigError(
            "no time to train",
            where="trainer.max_epochs, trainer.max_minutes",
            got=f"{chosen.max_epochs} epochs, {chosen.max_minutes} minutes",
            expected="at least one epoch, and more than 0 minutes",
        )
    return Clock(max_epochs=chosen.max_epochs, max_minutes=chosen.max_minutes, started_at=started_at)


def build_trainer(config: FitConfig, machine: Hardware, clock: Clock, run: Path) -> Trainer:
    """Lightning's ``Trainer`` with logs and checkpoints in the folder of a run.

    Args:
        config: Configuration of the run.
        machine: Device and precision.
        clock: The training clock, shared with the module.
        run: Folder of the run.
    """
    from pytorch_lightning import Trainer
    from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

    from brats3d.training.averaging import MovingAverage
    from brats3d.training.checkpoints import AtomicCheckpointIO, BestAndLast
    from brats3d.training.progress import TrainingProgress
    from brats3d.training.seeding import EpochSeeds

    chosen = config.trainer
    average = [] if config.optim.ema_decay is None else [MovingAverage(config.optim.ema_decay)]
    part = f"part-{len(list((run / 'logs').glob('csv/part-*')))}"
    return Trainer(
        accelerator=machine.accelerator,
        devices=1 if chosen.devices == "auto" and machine.accelerator == "cpu" else chosen.devices,
        num_nodes=chosen.num_nodes,
        strategy=chosen.strategy,
        precision=machine.training,
        max_epochs=chosen.max_epochs,
        gradient_clip_val=chosen.gradient_clip_val,
        accumulate_grad_batches=chosen.accumulate_grad_batches,
        check_val_every_n_epoch=chosen.check_val_every_n_epoch,
        log_every_n_steps=chosen.log_every_n_steps,
        deterministic=chosen.deterministic,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=run,
        logger=[
            TensorBoardLogger(run, name="logs", version="tensorboard"),
            # A part of its own for each session: the logger starts its file anew.
            CSVLogger(run / "logs", name="csv", version=part),
        ],
        callbacks=[
            EpochSeeds(config.seed),
            *average,
            clock,
            TrainingProgress(clock, batch_size=config.patch.batch_size, bar=chosen.enable_progress_bar),
            BestAndLast(run / "checkpoints", minutes=chosen.checkpoint_every_n_minutes),
        ],
        plugins=[AtomicCheckpointIO()],
    )


@dataclass(frozen=True)
class _RegionsOf:
    """Thresholding as in prediction; rules in millilitres do not apply to prepared grids."""

    postprocessing: Postprocessing
    convention: LabelConvention

    def __call__(self, probabilities: Any) -> Any:
        plain = Postprocessing(thresholds=self.postprocessing.thresholds)
        return plain.regions(probabilities, self.convention, voxel_volume_ml=1e-3)
