"""From the configuration to a classifier, its training data, and its use as a gate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brats3d.assembly.hardware import Hardware, compile_mode
from brats3d.cases import Case
from brats3d.config import ClassifyConfig, FitConfig, LossConfig, PostprocessConfig
from brats3d.config.inference import InferenceConfig
from brats3d.config.patches import PatchConfig, TransplantConfig
from brats3d.errors import ConfigError
from brats3d.labels import LabelConvention
from brats3d.registry import look_up

if TYPE_CHECKING:
    import torch
    from torch import nn

    from brats3d.data.store import StoredCase
    from brats3d.inference.classifying import ImageClassifier
    from brats3d.inference.forward import Precision
    from brats3d.training.classification import ClassificationModule
    from brats3d.training.classification_labels import Labelling, LabelTable
    from brats3d.training.clock import Clock
    from brats3d.training.datamodule import PatchDataModule

CLASSIFY = "classify"


def slice_axis(config: FitConfig) -> int | None:
    """Array axis of the slices that a network sees, 0 to 2; None: it sees volumes.

    Raises:
        ConfigError: Unknown axis.
    """
    from brats3d.inference.slices import SLICE_AXES

    return look_up(SLICE_AXES, config.slices.axis, "slices.axis") if config.model.spatial_dims == 2 else None


def needs_label_maps(config: FitConfig) -> bool:
    """Whether a training needs label maps: not one of a classifier whose labels a table says."""
    return config.task != CLASSIFY or config.classify.labels is None


def check_task(config: FitConfig, cases: Sequence[Case]) -> None:
    """Check the settings of a classifier against each other and its table of labels against the cases.

    Raises:
        ConfigError: A setting that cannot work, or that a classifier has no use for.
        DataError: A table that does not fit the cases.
    """
    if config.task != CLASSIFY:
        if config.classify != ClassifyConfig():
            raise ConfigError(
                "only a classifier has use for these settings",
                where="classify",
                remedy="set task: classify, or leave the section out",
            )
        return
    for where, got, works, expected in _checks(config):
        if not works:
            raise ConfigError(
                "a setting that a classifier cannot have", where=where, got=got, expected=expected
            )
    _label_table(config, {case.case_id for case in cases})


def _checks(config: FitConfig) -> Iterator[tuple[str, object, bool, str]]:
    chosen, dims, size = config.classify, config.model.spatial_dims, config.patch.size
    yield "patch.size", size, len(size) == dims, f"{dims} numbers, since model.spatial_dims is {dims}"
    share = chosen.sensitivity
    yield "classify.sensitivity", share, 0 < share <= 1, "a share above 0, at most 1"
    yield "classify.min_area_mm2", chosen.min_area_mm2, chosen.min_area_mm2 >= 0, "0 or more"
    yield "classify.min_volume_ml", chosen.min_volume_ml, chosen.min_volume_ml >= 0, "0 or more"
    unused = "the default: "
    yield (
        "loss",
        config.loss,
        config.loss == LossConfig(),
        unused + "a classifier minimises the cross-entropy",
    )
    default = config.transplant == TransplantConfig()
    yield "transplant", config.transplant, default, unused + "labels would no longer hold"
    default = config.postprocess == PostprocessConfig()
    yield "postprocess", config.postprocess, default, unused + "there are no regions"
    patch, plain = config.patch, PatchConfig()
    yield (
        "patch.foreground",
        patch.foreground,
        patch.foreground == plain.foreground,
        unused + "half are tumour",
    )
    yield "patch.empty", patch.empty, patch.empty == plain.empty, unused + "half are tumour"
    inference = config.inference
    for key in ("window", "flips"):
        got, default = getattr(inference, key), getattr(InferenceConfig(), key)
        yield f"inference.{key}", got, got == default, unused + "images are judged as in training"
    yield "augment.where", config.augment.where, config.augment.where == "sample", "sample"
    residency = config.data.residency
    kept = ("disk", "ram", "auto") if needs_label_maps(config) else ("disk",)
    yield "data.residency", residency, residency in kept, " or ".join(kept)
    strategy = config.trainer.strategy
    yield "trainer.strategy", strategy, not strategy.startswith("fsdp"), "auto or ddp"


def _label_table(config: FitConfig, cases: set[str] | None) -> LabelTable | None:
    if config.classify.labels is None:
        return None
    from brats3d.training.classification_table import read_label_table

    table = read_label_table(Path(config.classify.labels), cases)
    if config.model.spatial_dims == 3 and any(None not in rows for rows in table.values()):
        raise ConfigError(
            "the table labels slices, and the network sees volumes",
            where="classify.labels",
            got=config.classify.labels,
            remedy="leave out its column slice, or set model.spatial_dims to 2",
        )
    return table


def build_labelling(config: FitConfig) -> Labelling:
    """Labels of the images of prepared cases.

    Raises:
        ConfigError: A table of slices for a network of volumes.
        DataError: A table that cannot be read.
    """
    from brats3d.training.classification_labels import Labelling

    return Labelling(
        slice_axis(config),
        min_area_mm2=config.classify.min_area_mm2,
        min_volume_ml=config.classify.min_volume_ml,
        table=_label_table(config, None),
    )


def build_classifier_network(config: FitConfig, *, pretrained: bool = False) -> nn.Module:
    """Classifier with freshly drawn weights, or those of the file ``model.params.pretrained``.

    Raises:
        ConfigError: Unknown name or parameter, or a size the network cannot take.
    """
    from brats3d.models.architecture import without_pretrained
    from brats3d.models.classifiers import build_classifier

    chosen = config.model
    return build_classifier(
        chosen.name,
        spatial_dims=chosen.spatial_dims,
        in_channels=len(config.data.modalities),
        params=chosen.params if pretrained else without_pretrained(chosen.params),
        size=config.patch.size,
    )


def build_classifier(config: FitConfig, network: nn.Module, precision: Precision) -> ImageClassifier:
    """What judges whole prepared cases with a network."""
    from brats3d.inference.classifying import ImageClassifier

    return ImageClassifier(
        network,
        size=config.patch.size,
        axis=config.slices.axis,
        batch=config.inference.window_batch,
        precision=precision,
    )


def build_classification_module(
    config: FitConfig,
    convention: LabelConvention,
    machine: Hardware,
    clock: Clock,
    *,
    pretrained: bool = False,
) -> ClassificationModule:
    """Network, loss, optimiser and validation, ready for Lightning's ``Trainer``; see ``build_module``.

    Raises:
        ConfigError: An unknown name or parameter anywhere in model or optimisation.
    """
    from brats3d.assembly.training import build_optimisation
    from brats3d.models import lay_out
    from brats3d.training.classification import ClassificationModule

    optimisation = build_optimisation(config.optim)
    mode = compile_mode(config.trainer.compile, machine.device)
    network = lay_out(
        build_classifier_network(config, pretrained=pretrained),
        config.model.spatial_dims,
        device=machine.device,
        compiled=mode is not None,
        channels_last=config.trainer.channels_last,
    )
    return ClassificationModule(
        network,
        optimisation=optimisation,
        classifier=build_classifier(config, network, machine.inference),
        labelling=build_labelling(config),
        clock=clock,
        monitor=config.classify.monitor,
        compile_mode=mode,
    )


def build_classification_data(
    config: FitConfig,
    training: Sequence[StoredCase],
    validation: Sequence[StoredCase],
    device: torch.device | str,
) -> PatchDataModule:
    """Balanced images for training on ``device``, prepared cases for validation.

    Raises:
        ConfigError: A setting that cannot work, or images of one class only.
    """
    import numpy as np
    import torch

    from brats3d.assembly.samples import build_augmentation, reader_processes
    from brats3d.data.residency import main_memory, reside
    from brats3d.training.classification_data import BalancedImages, check_both_classes
    from brats3d.training.datamodule import PatchDataModule

    labelling, device = build_labelling(config), torch.device(device)
    held_out = np.concatenate([np.zeros(0, dtype=np.int8), *(labelling(case) for case in validation)])
    check_both_classes(int((held_out == 0).sum()), int((held_out == 1).sum()), "validation")
    images = BalancedImages(
        reside(training, config.data.residency, [main_memory()]),
        [_within_range(config, case, labelling(case)) for case in training],
        axis=slice_axis(config),
        size=config.patch.size,
        augmentation=build_augmentation(config),
        seed=config.seed,
    )
    return PatchDataModule(
        images,
        validation,
        batch_size=config.patch.batch_size,
        samples_per_epoch=config.patch.per_epoch,
        workers=reader_processes(config.data.workers, device.type),
        pinned=device.type == "cuda",
    )


def _within_range(config: FitConfig, case: StoredCase, labels: Any) -> Any:
    """Labels of the slices that may be drawn; the others lose theirs."""
    from brats3d.assembly.slice_ranges import slice_range
    from brats3d.training.classification_labels import UNLABELLED

    axis = slice_axis(config)
    if axis is None or (config.slices.first is None and config.slices.last is None):
        return labels
    first, end = slice_range(case, axis, config.slices.first, config.slices.last)
    kept = labels.copy()
    kept[:first] = kept[end:] = UNLABELLED
    return kept
