"""The runs of a sweep: every combination of the values in its grid."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from brats3d.config import FitConfig, SweepConfig, from_dict, to_plain, with_absolute_paths
from brats3d.errors import ConfigError
from brats3d.workflows.sharing import launched_share

_OF_THE_SWEEP = ("name", "folder", "resume", "extend")


@dataclass(frozen=True)
class Variant:
    """One combination.

    Attributes:
        settings: Dotted key to value, in the order of the grid.
        config: Settings of its run.
    """

    settings: Mapping[str, Any]
    config: FitConfig


def variants_of(config: SweepConfig) -> list[Variant]:
    """Return all combinations of the values in the grid; the last key changes fastest.

    Raises:
        ConfigError: An option that a sweep cannot have, an unknown key, or a value of the wrong type.
    """
    _check(config)
    training = FitConfig(**{field.name: getattr(config, field.name) for field in fields(FitConfig)})
    common = to_plain(with_absolute_paths(training))
    variants = []
    for values in itertools.product(*config.grid.values()):
        settings = dict(zip(config.grid, values, strict=True))
        content = common
        for key, value in settings.items():
            content = _replaced(content, key, key.split("."), value)
        name = "-".join([str(config.name), *map(_word, values)])
        variants.append(Variant(settings, from_dict(FitConfig, {**content, "name": name})))
    names = [variant.config.name for variant in variants]
    if alike := [name for name in names if names.count(name) > 1]:
        raise ConfigError(
            "two combinations have the same name",
            where="grid",
            got=alike[0],
            remedy="give each key every value once",
        )
    return variants


def _check(config: SweepConfig) -> None:
    share = launched_share()
    empty = [key for key, values in config.grid.items() if not values]
    taken = Path(config.folder) / str(config.name) / "config.yaml"
    refused = (
        ("name", config.name, config.name is None, "name the runs: --name NAME begins their names"),
        ("name", config.name, taken.exists(), "a run has that name; choose another one"),
        ("resume", config.resume, config.resume is not None, "leave it out: what is not finished is resumed"),
        ("extend", config.extend, config.extend is not None, "extend the single runs"),
        (
            "grid",
            config.grid,
            not config.grid,
            "name keys and their values, as in sweeps/unet2d_variants.yaml",
        ),
        ("grid", empty, bool(empty), "give this key a value, or leave it out"),
        *((key, config.grid.get(key), key in config.grid, "leave it out") for key in _OF_THE_SWEEP),
        (
            "environment variables",
            "several processes of a launcher",
            share is not None and share.processes > 1,
            "train the combinations with `brats3d submit`, as runs of their own",
        ),
    )
    for where, got, wrong, remedy in refused:
        if wrong:
            raise ConfigError("a sweep cannot have this", where=where, got=got or "nothing", remedy=remedy)


def _replaced(content: Mapping[str, Any], key: str, parts: list[str], value: Any) -> dict[str, Any]:
    """Return a copy of nested ``content`` with another value of the dotted ``key``."""
    first, *rest = parts
    if not rest:
        return {**content, first: value}
    section = content.get(first, {})
    if not isinstance(section, Mapping):
        raise ConfigError(f"{first!r} has no keys", where=f"grid.{key}", got=section)
    return {**content, first: _replaced(section, key, rest, value)}


def _word(value: Any) -> str:
    """Spell a value so that it can be part of the name of a folder."""
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return re.sub(r"[^\w.+]+", "_", text).strip("_") or "empty"
