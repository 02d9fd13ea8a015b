"""From YAML and the command line to settings; the only module that knows jsonargparse."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from brats3d.config.recipes import read_yaml, recipe_path
from brats3d.config.run import FitConfig
from brats3d.config.words import spelled_out
from brats3d.errors import ConfigError, closest_first
from brats3d.files import write_text

T = TypeVar("T")

# `--resume` alone continues the newest run.
_ALONE = {"resume": "last"}


def parse_arguments(
    cls: type[T], arguments: Sequence[str] | None, prog: str, positionals: Sequence[str] = ()
) -> T:
    """Read ``cls`` from the command line.

    Args:
        cls: One of the dataclasses of this module.
        arguments: Words after the verb; None takes ``sys.argv``.
        prog: Program name for ``--help``.
        positionals: Fields that may also be given by position.

    Raises:
        ConfigError: An unknown key (the closest is suggested) or a value of the wrong type.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    words = spelled_out(words, setting_kinds(cls), positionals=positionals, alone=_ALONE)
    words = _checked_files(cls, words)
    parser = _parser(cls, prog)  # type: ignore[arg-type]  # classes are hashable
    return _build(cls, parser, lambda: parser.parse_args(words), prog)


def load_config(path: str | os.PathLike[str] | None = None, **overrides: Any) -> FitConfig:
    """Read the configuration of a run.

    Args:
        path: YAML file, the name of a shipped recipe such as ``cpu_20min.yaml``, or None for defaults.
        overrides: Nested keys joined by two underscores, such as ``trainer__max_epochs=2``.

    Raises:
        ConfigError: The file is missing, has an unknown key, or a value of the wrong type.
    """
    content: dict[str, Any] = {}
    if path is not None:
        file = recipe_path(path)
        content = read_yaml(file)
        _check_keys(FitConfig, content, file)
    for dotted, value in overrides.items():
        target = content
        *parents, last = dotted.split("__")
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                raise ConfigError(f"{parent!r} has no keys", where=dotted.replace("__", "."), got=target)
        target[last] = to_plain(value)
    return from_dict(FitConfig, content)


def from_file(cls: type[T], path: str | os.PathLike[str]) -> T:
    """Build ``cls`` from a YAML file, or from the shipped recipe of that name.

    Raises:
        ConfigError: The file is missing, has an unknown key, or a value of the wrong type.
    """
    file = recipe_path(path)
    content = read_yaml(file)
    _check_keys(cls, content, file)
    return from_dict(cls, content)


def from_dict(cls: type[T], content: Mapping[str, Any]) -> T:
    """Build ``cls`` from plain nested values, with the checks of the command line.

    Raises:
        ConfigError: An unknown key or a value of the wrong type.
    """
    plain = to_plain(content)
    _check_keys(cls, plain, cls.__name__)
    parser = _parser(cls, cls.__name__)  # type: ignore[arg-type]  # classes are hashable
    return _build(cls, parser, lambda: parser.parse_object(plain), cls.__name__)


def to_yaml(config: Any) -> str:
    """Render a config as YAML that :func:`load_config` reads back."""
    import yaml

    return yaml.safe_dump(to_plain(config), sort_keys=False, default_flow_style=None)


def to_plain(config: Any) -> Any:
    """Turn dataclasses, tuples and paths into dictionaries, lists and text."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {item.name: to_plain(getattr(config, item.name)) for item in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {key: to_plain(value) for key, value in config.items()}
    if isinstance(config, tuple | list):
        return [to_plain(value) for value in config]
    return os.fspath(config) if isinstance(config, os.PathLike) else config


def save_config(config: FitConfig, path: Path) -> None:
    """Write the resolved configuration of a run, atomically."""
    write_text(path, to_yaml(config))


@functools.cache
def _parser(cls: type[Any], prog: str) -> Any:
    from jsonargparse import ActionConfigFile, ArgumentParser, set_parsing_settings

    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = ArgumentParser(prog=prog, description=cls.__doc__, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file or name of a shipped recipe")
    parser.add_class_arguments(cls)
    return parser


def _build(cls: type[T], parser: Any, parse: Any, where: str) -> T:
    from jsonargparse import ArgumentError

    try:
        namespace = parse()
    except (ArgumentError, TypeError, KeyError, ValueError) as error:
        raise _explain(cls, error, where) from error
    values = namespace.as_dict()
    values.pop("config", None)
    return _instantiate(cls, values)


def _instantiate(cls: type[T], values: Mapping[str, Any]) -> T:
    from typing import get_type_hints

    hints = get_type_hints(cls)
    made = {}
    for name, value in values.items():
        nested = hints[name]
        made[name] = _instantiate(nested, value) if dataclasses.is_dataclass(nested) else _frozen(value)  # type: ignore[arg-type]
    return cls(**made)


def _frozen(value: Any) -> Any:
    """Paths of jsonargparse and namespaces become plain values."""
    return value.as_dict() if hasattr(value, "as_dict") else value


def setting_kinds(cls: type[Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key to type, for all keys of a configuration; sections come before their keys."""
    from typing import get_type_hints

    kinds = {}
    for name, hint in get_type_hints(cls).items():
        kinds[prefix + name] = hint
        if dataclasses.is_dataclass(hint):
            kinds |= setting_kinds(hint, f"{prefix}{name}.")  # type: ignore[arg-type]
    return kinds


def _check_keys(cls: type[Any], content: Mapping[str, Any], where: object) -> None:
    """Check that all keys exist and that sections are mappings.

    Raises:
        ConfigError: They do not, or are not.
    """
    kinds = setting_kinds(cls)

    def check(section: Mapping[str, Any], prefix: str) -> None:
        for name, value in section.items():
            key = f"{prefix}{name}"
            if key not in kinds:
                raise _unknown_key(cls, key, where)
            if not dataclasses.is_dataclass(kinds[key]):
                continue
            if not isinstance(value, Mapping):
                example = next(known for known in kinds if known.startswith(f"{key}."))
                raise ConfigError(
                    f"the section {key!r} has no keys",
                    where=where,
                    got=value,
                    expected=f"keys such as {example}",
                    remedy="give it keys, or leave the section out",
                )
            check(value, f"{key}.")

    check(content, "")


def _unknown_key(cls: type[Any], key: str, where: object) -> ConfigError:
    return ConfigError(
        f"unknown configuration key {key!r}",
        where=where,
        got=key,
        remedy=f"did you mean {closest_first(key, setting_kinds(cls))[0]!r}? `--help` lists all keys",
    )


def _explain(cls: type[Any], error: Exception, where: str) -> ConfigError:
    """Turn a message of the parser into one that names the key and the closest that exists."""
    text = " ".join(str(error).split())
    name = None
    if found := re.search(r"Group '([\w.]+)' does not accept option '([\w.]+)'", text):
        name = f"{found.group(1)}.{found.group(2)}"
    elif found := re.search(r"nrecognized arguments: (?:--)?([^\s=]+)", text):
        name = found.group(1)
    kinds = setting_kinds(cls)
    if name is not None and name not in kinds:
        return _unknown_key(cls, name, where)
    if found := re.search(r"Parser key [\"']([\w.]+)[\"']: (.*)", text):
        key, reason = found.groups()
        given = re.search(r"(?:Got value|Given value): (.*)", reason)
        return ConfigError(
            "invalid value in the configuration",
            where=key,
            got=(given.group(1) if given else reason)[:300],
            expected=_readable(kinds[key]) if key in kinds else None,
        )
    return ConfigError("invalid configuration", where=where, got=text[:400])


def _readable(kind: Any) -> str:
    if dataclasses.is_dataclass(kind):
        return "a section with keys of its own"
    return kind.__name__ if kind in (int, float, str, bool) else str(kind).replace("typing.", "")


def _checked_files(cls: type[Any], words: Sequence[str]) -> list[str]:
    """Find the files named by ``--config`` and check their keys, so that messages name the file."""
    made: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word == "--config" and waiting:
            word = f"--config={waiting.pop(0)}"
        if word.startswith("--config="):
            path = recipe_path(word.removeprefix("--config="))
            content = read_yaml(path)
            _check_keys(cls, content, path)
            if not content:  # all commented out
                continue
            word = f"--config={path}"
        made.append(word)
    return made
