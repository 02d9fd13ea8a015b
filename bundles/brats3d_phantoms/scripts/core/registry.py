# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Look-up in literal registries, with errors that name the closest choice."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from scripts.core.errors import ConfigError, closest_first

T = TypeVar("T")


def look_up(registry: Mapping[str, T], name: str, key: str) -> T:
    """Return ``registry[name]``.

    Args:
        registry: Literal dictionary of choices.
        name: Name the user wrote.
        key: Configuration key the name came from, such as ``model.name``.

    Raises:
        ConfigError: ``name`` is not in the registry; the message lists the choices, closest first.
    """
    if name in registry:
        return registry[name]
    choices = closest_first(name, registry)
    raise ConfigError(
        f"unknown name {name!r}",
        where=key,
        got=name,
        expected="one of " + ", ".join(choices),
        remedy=f"did you mean {choices[0]!r}?",
    )


def check_params(builder: Callable[..., Any], params: Mapping[str, Any], key: str, given: set[str]) -> None:
    """Check that ``params`` fit the keyword parameters of ``builder``.

    Args:
        builder: Function that will be called with ``**params``.
        params: What the user wrote under ``key``.
        key: Configuration key, such as ``model.params``.
        given: Names of parameters the caller supplies itself; a user may not set them.

    Raises:
        ConfigError: An unknown parameter; the message lists the known ones, closest first.
    """
    known = [name for name in inspect.signature(builder).parameters if name not in given]
    for name in params:
        if name not in known:
            choices = closest_first(name, known)
            raise ConfigError(
                f"unknown parameter {name!r}",
                where=f"{key}.{name}",
                got=name,
                expected="one of " + ", ".join(choices) if choices else "no parameters",
                remedy=f"did you mean {choices[0]!r}?" if choices else "remove it",
            )
