"""A configuration that holds wherever the run is continued from, and what may stand beside ``resume``."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from brats3d import places
from brats3d.config.reading import to_plain
from brats3d.config.run import FitConfig
from brats3d.errors import ConfigError

_MAY_STAND_BESIDE_RESUME = {"resume", "folder", "extend"}


def with_absolute_paths(config: FitConfig) -> FitConfig:
    """Return the configuration with paths that do not depend on the current folder."""

    def absolute(path: str | None) -> str | None:
        return None if path is None else os.path.abspath(os.path.expanduser(path))

    named = [config.init, os.path.join(config.folder, config.init)] if config.init is not None else []
    initial = next((absolute(path) for path in named if os.path.isdir(path)), config.init)
    params = dict(config.model.params)
    if isinstance(params.get("pretrained"), str):
        params["pretrained"] = absolute(params["pretrained"])
    return dataclasses.replace(
        config,
        init=initial,
        model=dataclasses.replace(config.model, params=params),
        folder=os.path.abspath(os.path.expanduser(config.folder)),
        data=dataclasses.replace(
            config.data,
            root=None if config.data.root is None else places.absolute(config.data.root),
            store=absolute(config.data.store),
            cache=absolute(config.data.cache),
        ),
        split=dataclasses.replace(
            config.split, csv=absolute(config.split.csv), sites=absolute(config.split.sites)
        ),
        classify=dataclasses.replace(config.classify, labels=absolute(config.classify.labels)),
    )


def check_resumed(given: FitConfig, kept: FitConfig) -> None:
    """Check that nothing was set beside ``resume`` that the run would not follow.

    Args:
        given: What the user wrote.
        kept: Configuration of the run that is continued.

    Raises:
        ConfigError: A setting that is neither the default nor the run's.
    """
    wanted, default, own = (_leaves(to_plain(config)) for config in (given, FitConfig(), kept))
    for key, value in wanted.items():
        if key in _MAY_STAND_BESIDE_RESUME or _was_computed(key, value, own.get(key)):
            continue
        if value not in (default.get(key), own.get(key)):
            raise ConfigError(
                "a resumed run keeps its own settings",
                where=key,
                got=value,
                expected=own.get(key),
                remedy="leave it out, or start a new run with it",
            )


def differences(first: FitConfig, second: FitConfig) -> dict[str, tuple[Any, Any]]:
    """Return the keys, dotted, that two configurations have different values of, with both values.

    Weights that the first one names and the second one, of a run, has numbers for are no difference.
    """
    one, two = (_leaves(to_plain(config)) for config in (first, second))
    pairs = {key: (one.get(key), two.get(key)) for key in {**one, **two}}
    return {
        key: (own, other)
        for key, (own, other) in pairs.items()
        if own != other and not _was_computed(key, own, other)
    }


def _was_computed(key: str, wanted: Any, kept: Any) -> bool:
    """Whether a run keeps numbers, computed from its training cases, for what is wanted by name."""
    is_weights = key.startswith("loss.params.") and key.endswith(".weights")
    return is_weights and isinstance(wanted, str) and isinstance(kept, list | tuple)


def extended(config: FitConfig, amount: float) -> FitConfig:
    """Return the configuration of a run with more epochs, or more minutes if minutes limit it.

    Args:
        config: Configuration of the run.
        amount: What is added.

    Raises:
        ConfigError: Nothing is added, or a part of an epoch.
    """
    trainer = config.trainer
    works = amount > 0 and (trainer.max_minutes is not None or amount == int(amount))
    if not works:
        expected = (
            "a positive number of minutes" if trainer.max_minutes else "a whole number of epochs from 1"
        )
        raise ConfigError("a run cannot be extended by that", where="extend", got=amount, expected=expected)
    if trainer.max_minutes is not None:
        longer = dataclasses.replace(trainer, max_minutes=trainer.max_minutes + amount)
    else:
        longer = dataclasses.replace(trainer, max_epochs=trainer.max_epochs + int(amount))
    return dataclasses.replace(config, trainer=longer)


def _leaves(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            leaves |= _leaves(value, f"{prefix}{name}.")
        else:
            leaves[f"{prefix}{name}"] = value
    return leaves
