"""Weights of the loss that are named in the configuration, and computed from the training cases.

``loss.params.weights`` is a list of numbers, or one of :data:`CLASS_WEIGHTS`. A run keeps the numbers in
its config.yaml, so that it is resumed and exported with the weights it began with.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from brats3d.config import FitConfig
from brats3d.errors import ConfigError
from brats3d.labels import LabelConvention
from brats3d.registry import look_up

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset

    from brats3d.data.datasets import Sample

logger = logging.getLogger(__name__)

_KEY = "loss.params.weights"
_DIGITS = 6

Frequencies = NDArray[np.float64]


def inverse_frequency(counts: NDArray[np.int64], voxels: NDArray[np.int64]) -> Frequencies:
    """One over the share of a channel in the voxels of all cases, ``(C,)``.

    Args:
        counts: Voxels of each channel in each case, ``(cases, C)``.
        voxels: Voxels of each case, ``(cases,)``.
    """
    return np.asarray(voxels.sum() / counts.sum(axis=0), dtype=np.float64)


def median_frequency(counts: NDArray[np.int64], voxels: NDArray[np.int64]) -> Frequencies:
    """Median frequency over that of a channel, each among the cases that have it (Eigen and Fergus 2015).

    Args:
        counts: Voxels of each channel in each case, ``(cases, C)``.
        voxels: Voxels of each case, ``(cases,)``.
    """
    frequencies = counts.sum(axis=0) / ((counts > 0) * voxels[:, None]).sum(axis=0)
    return np.asarray(np.median(frequencies) / frequencies, dtype=np.float64)


CLASS_WEIGHTS: Mapping[str, Callable[[NDArray[np.int64], NDArray[np.int64]], Frequencies]] = MappingProxyType(
    {"inverse_frequency": inverse_frequency, "median_frequency": median_frequency}
)


def with_class_weights(
    config: FitConfig, convention: LabelConvention, training: Dataset[Sample]
) -> FitConfig:
    """Put the numbers in the place of the names of weights, scaled to a mean of 1.

    Args:
        config: Configuration; one that names no weights is returned as it is.
        convention: Meaning of the classes; names the channels of a sigmoid head.
        training: Samples of the training cases.

    Raises:
        ConfigError: Unknown name, or a channel that no training case has.
        DataError: A prepared case that cannot be read.
    """
    if not _names(config.loss.params):
        return config
    from brats3d.data.class_counts import count_classes
    from brats3d.data.datasets import PatchDataset, SliceDataset

    assert isinstance(training, PatchDataset | SliceDataset), type(training)
    table = convention.class_table
    of_class = count_classes(training.cases, len(table))
    is_softmax = config.model.head == "softmax"
    counts = of_class if is_softmax else of_class @ table.astype(np.int64)
    channels = convention.class_names if is_softmax else convention.region_names
    absent = [name for name, count in zip(channels, counts.sum(axis=0), strict=True) if not count]
    if absent:
        raise ConfigError(
            "no training case has a voxel of a channel that is to be weighted by its frequency",
            where=_KEY,
            got=", ".join(absent),
            remedy=f"write the weights as numbers, one for each of {', '.join(channels)}",
        )

    def numbers(name: str) -> list[float]:
        found = look_up(CLASS_WEIGHTS, name, _KEY)(counts, of_class.sum(axis=1))
        weights = [float(f"{weight:.{_DIGITS}g}") for weight in found / found.mean()]
        shown = ", ".join(f"{channel} {weight:g}" for channel, weight in zip(channels, weights, strict=True))
        logger.info("weights of the loss by %s: %s", name, shown)
        return weights

    return dataclasses.replace(
        config, loss=dataclasses.replace(config.loss, params=_replaced(config.loss.params, numbers))
    )


def build_training_loss(config: FitConfig, channels: int) -> nn.Module:
    """Build the loss, for all resolutions; weights that are still names are equal.

    Args:
        config: Configuration of the run.
        channels: Channels of the logits.

    Raises:
        ConfigError: An unknown loss, parameter or name of weights, or a value that cannot work.
    """
    from brats3d.losses import DeepSupervisionLoss, build_loss

    def equal(name: str) -> list[float]:
        look_up(CLASS_WEIGHTS, name, _KEY)
        return [1.0] * channels

    params = _replaced(config.loss.params, equal)
    return DeepSupervisionLoss(build_loss(config.loss.name, head=config.model.head, params=params))


def _names(params: Mapping[str, Any]) -> list[str]:
    found: list[str] = []

    def keep(name: str) -> list[float]:
        found.append(name)
        return []

    _replaced(params, keep)
    return found


def _replaced(params: Mapping[str, Any], numbers: Callable[[str], list[float]]) -> dict[str, Any]:
    """Replace names under the key ``weights``, also within the terms of a sum."""
    result: dict[str, Any] = {}
    for key, value in params.items():
        if key == "weights" and isinstance(value, str):
            result[key] = numbers(value)
        else:
            result[key] = _replaced(value, numbers) if isinstance(value, Mapping) else value
    return result
