"""Configuration files: the user's own and the recipes that come with the package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from brats3d.errors import ConfigError, closest_first

SWEEPS = "sweeps"  # folder of the recipes with a grid, which are for the verb sweep alone
CLASSICAL = "classical"  # folder of the recipes without training, for predict --classical


def recipe_folder() -> Path:
    """Folder of the shipped recipes: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def recipe_path(path: str | os.PathLike[str]) -> Path:
    """Return ``path``, or the shipped recipe of that name when there is no such file here.

    Raises:
        ConfigError: Neither exists; the message lists the recipes, closest first.
    """
    given = Path(path)
    if given.is_file():
        return given
    if given.suffix in {".yaml", ".yml"}:
        for folder in (recipe_folder(), recipe_folder() / SWEEPS, recipe_folder() / CLASSICAL):
            if (folder / given.name).is_file():
                return folder / given.name
    names = closest_first(given.name, [file.name for file in recipe_folder().rglob("*.yaml")])
    raise ConfigError(
        "configuration file not found",
        where=given,
        expected="a YAML file, or a shipped recipe: " + ", ".join(names),
        remedy=f"did you mean {names[0]!r}?" if names else None,
    )


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; an empty file gives an empty one.

    Raises:
        ConfigError: The file cannot be read, holds something else, or gives a key twice.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        _check_each_key_once(yaml.compose(text, Loader=yaml.SafeLoader), path)
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError("cannot read the configuration", where=path, got=reason) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError("the configuration is not a mapping", where=path, got=type(content).__name__)
    return content


def _check_each_key_once(node: Any, path: Path) -> None:
    """YAML itself forbids a key given twice; its readers take the last and say nothing.

    Raises:
        ConfigError: A mapping has a key twice.
    """
    import yaml

    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in lines:
                raise ConfigError(
                    f"the key {key.value!r} is given twice",
                    where=path,
                    got=f"lines {lines[key.value]} and {line}",
                    remedy="keep one of them",
                )
            lines[key.value] = line
            _check_each_key_once(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_each_key_once(item, path)
