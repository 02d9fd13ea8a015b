"""Settings of a training that starts from the weights of a run."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from brats3d.config.data import DataConfig
from brats3d.config.resuming import differences
from brats3d.config.run import FitConfig
from brats3d.errors import ConfigError

RATE_FACTOR = 0.1
"""Share of the run's learning rate that fine-tuning begins with, where none is set."""

_FIXED = ("model.", "preprocess.", "data.modalities", "slices.axis")
_INHERITED = ("patch", "augment", "transplant", "slices", "optim", "inference", "postprocess")
_MEANING = ("labels", "regions")
S = TypeVar("S")


def initialised(given: FitConfig, kept: FitConfig) -> FitConfig:
    """Return the configuration with what weights need and what the user left open taken from a run.

    Network, preprocessing and modalities are the run's. Patches, augmentation, loss, optimisation, inference
    and postprocessing are, as far as the user left them at their defaults; the learning rate then is
    :data:`RATE_FACTOR` of the run's. Data, split and training loop are the user's.

    Args:
        given: What the user wrote.
        kept: Configuration of the run whose weights the training starts from.

    Raises:
        ConfigError: A setting that the weights do not fit.
    """
    default = FitConfig()
    chosen = differences(given, default)
    for key, (value, own) in differences(given, kept).items():
        if key in chosen and key.startswith(_FIXED):
            raise ConfigError(
                "weights of a run fit its own network and inputs only",
                where=key,
                got=value,
                expected=own,
                remedy="leave it out, or start a new run without --init",
            )
    sections: dict[str, Any] = {
        name: _filled_up(getattr(given, name), getattr(default, name), getattr(kept, name))
        for name in _INHERITED
    }
    if given.optim.lr == default.optim.lr:
        sections["optim"] = dataclasses.replace(sections["optim"], lr=kept.optim.lr * RATE_FACTOR)
    return dataclasses.replace(
        given,
        model=kept.model,
        preprocess=kept.preprocess,
        loss=kept.loss if given.loss == default.loss else given.loss,
        data=_data(given.data, default.data, kept.data),
        **sections,
    )


def _filled_up(given: S, default: S, kept: S) -> S:
    """Return a section with what the user left at its default taken from the run."""
    names = [item.name for item in dataclasses.fields(given)]  # type: ignore[arg-type]  # S is a dataclass
    open_ones = [name for name in names if getattr(given, name) == getattr(default, name)]
    return dataclasses.replace(given, **{name: getattr(kept, name) for name in open_ones})  # type: ignore[type-var]


def _data(given: DataConfig, default: DataConfig, kept: DataConfig) -> DataConfig:
    """Return the user's data with the run's modalities, and its own meaning of labels if none is told."""
    untold = given.convention == default.convention and given.labels is None
    meaning = _MEANING if untold else ("regions",) if given.labels is not None and not given.regions else ()
    return dataclasses.replace(
        given, modalities=kept.modalities, **{name: getattr(kept, name) for name in meaning}
    )
