"""From the configuration and prepared cases to training samples."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from brats3d.config import FitConfig
from brats3d.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from brats3d.data.datasets import PatchDataset, SliceDataset
    from brats3d.data.residency import Memory
    from brats3d.data.store import StoredCase
    from brats3d.training.datamodule import PatchDataModule
    from brats3d.transforms.augmentation import Augmentation
    from brats3d.transforms.batch_augmentation.batch import BatchAugmentation
    from brats3d.transforms.transplantation import Transplantation


def build_training_data(
    config: FitConfig,
    training: Sequence[StoredCase],
    validation: Sequence[StoredCase],
    device: torch.device | str,
) -> PatchDataModule:
    """Patches or slices for training on ``device``, prepared cases for validation.

    Raises:
        ConfigError: A setting that cannot work.
    """
    import torch

    from brats3d.data.residency import DeviceCase, reside
    from brats3d.training.datamodule import PatchDataModule

    device, patch = torch.device(device), config.patch
    resident = reside(training, config.data.residency, _memories(config, device))
    on_device = any(isinstance(case, DeviceCase) for case in resident)
    return PatchDataModule(
        build_samples(config, resident, device if on_device else torch.device("cpu")),
        validation,
        batch_size=patch.batch_size,
        samples_per_epoch=patch.per_epoch,
        workers=0 if on_device else reader_processes(config.data.workers, device.type),
        pinned=device.type == "cuda" and not on_device,
        batch_augmentation=build_batch_augmentation(config),
    )


def _memories(config: FitConfig, device: torch.device) -> list[Memory]:
    """Where training cases can be kept, best first.

    Raises:
        ConfigError: The GPU is asked for, and another setting needs the patches elsewhere.
    """
    from brats3d.data.residency import gpu_memory, main_memory

    memories = [main_memory(_processes(config.trainer.devices, device.type))]
    obstacles = list(_obstacles_to_gpu_residency(config))
    if config.data.residency == "gpu" and obstacles:
        where, got, remedy = obstacles[0]
        raise ConfigError(
            "patches of cases on the GPU are cut out and changed there", where=where, got=got, remedy=remedy
        )
    if device.type == "cuda" and not obstacles:
        memories.insert(0, gpu_memory(device))
    return memories


def _obstacles_to_gpu_residency(config: FitConfig) -> Iterator[tuple[str, object, str]]:
    if not _augments_batches(config):
        yield "augment.where", config.augment.where, "set augment.where to batch"
    if config.data.workers:
        yield "data.workers", config.data.workers, "leave data.workers out: other processes cannot reach them"
    if build_transplantation(config) is not None:
        yield "transplant", "tumours of other cases", "set its probabilities to 0, or data.residency to ram"


def build_validation_samples(config: FitConfig) -> Callable[[StoredCase], dict[str, Tensor]]:
    """From a prepared case to a batch of samples as a training has them, but without random changes.

    They are always the same of a case: ``image`` float32 ``(B, C, *S)``, ``classes`` uint8 ``(B, 1, *S)``.
    """

    def samples_of(case: StoredCase) -> dict[str, Tensor]:
        import torch

        samples = build_samples(config, [case], torch.device("cpu"), changed=False)
        drawn = [samples[number] for number in range(config.patch.batch_size)]
        return {name: torch.stack([sample[name] for sample in drawn]) for name in drawn[0]}

    return samples_of


def build_samples(
    config: FitConfig,
    cases: Sequence[StoredCase],
    device: torch.device | str = "cpu",
    *,
    changed: bool = True,
) -> PatchDataset | SliceDataset:
    """Random samples of cases, with random changes (or to be changed in batches) if ``changed``."""
    import torch

    from brats3d.data.datasets import PatchDataset, SliceDataset
    from brats3d.transforms.batch_augmentation.deferring import defer

    deferred = changed and _augments_batches(config)
    changes = defer if deferred else build_augmentation(config) if changed else _unchanged
    shared: dict[str, Any] = {
        "size": config.patch.size,
        "foreground": config.patch.foreground,
        "empty": config.patch.empty,
        "augmentation": changes,
        "seed": config.seed,
        "device": torch.device(device),
    }
    if config.model.spatial_dims == 3:
        mixing = build_transplantation(config) if changed else None
        return PatchDataset(cases, mixing=mixing, as_stored=deferred, **shared)
    from brats3d.assembly.slice_ranges import slice_range
    from brats3d.inference.slices import SLICE_AXES
    from brats3d.registry import look_up

    axis = look_up(SLICE_AXES, config.slices.axis, "slices.axis")
    ranges = [slice_range(case, axis, config.slices.first, config.slices.last) for case in cases]
    return SliceDataset(cases, axis=axis, ranges=ranges, **shared)


def _unchanged(sample: Any, seed: int) -> Any:
    return sample


def build_augmentation(config: FitConfig) -> Augmentation:
    """Random changes of single training samples.

    Raises:
        ConfigError: A range or probability that cannot work.
    """
    from brats3d.transforms.augmentation import build_augmentation as build

    return build(config.model.spatial_dims, **augmentation_settings(config))


def build_batch_augmentation(config: FitConfig) -> BatchAugmentation | None:
    """Random changes of whole batches, or None where the configuration asks for single samples.

    Raises:
        ConfigError: A range or probability that cannot work, or an unknown `augment.where`.
    """
    from brats3d.transforms.batch_augmentation.batch import build_batch_augmentation as build

    if not _augments_batches(config):
        return None
    return build(config.model.spatial_dims, **augmentation_settings(config))


def _augments_batches(config: FitConfig) -> bool:
    from brats3d.registry import look_up

    return look_up({"sample": False, "batch": True}, config.augment.where, "augment.where")


def augmentation_settings(config: FitConfig) -> dict[str, Any]:
    """Return the section `augment` as arguments of a builder: without where it is done."""
    import dataclasses

    settings = dataclasses.asdict(config.augment)
    del settings["where"]
    return settings


def build_transplantation(config: FitConfig) -> Transplantation | None:
    """Tumours set into other cases, or None where the configuration asks for none.

    Raises:
        ConfigError: A range or probability that cannot work.
    """
    import dataclasses

    from brats3d.transforms.transplantation import Transplantation

    axis = next(i for i, code in enumerate(config.preprocess.orientation) if code in "LR")
    built = Transplantation(**dataclasses.asdict(config.transplant), mirror_axis=axis)
    return built if built.heal_probability or built.transplant_probability else None


def _processes(devices: int | str, device: str) -> int:
    """Processes on this machine, as far as the configuration tells: one for each device."""
    if isinstance(devices, int) and devices > 0:
        return devices
    if device == "cpu":
        return 1
    import torch

    return max(1, torch.cuda.device_count())


def reader_processes(configured: int | None, device: str) -> int:
    """Worker processes: as configured; else none on CPUs, where they would take cores from the training.

    (With more busy threads than cores every step is slower: the training's threads wait for
    each other at every layer, and each wait is as long as the slowest.)
    """
    if configured is not None:
        return configured
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0 if device == "cpu" else max(1, min(8, cores - 1))
