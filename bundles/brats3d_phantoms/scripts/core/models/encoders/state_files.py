# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""State dicts of files, read without running code from them."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scripts.core.errors import ConfigError, MissingExtraError

_NESTED = ("state_dict", "model_state_dict", "model")


def read_state(file: Path, key: str) -> dict[str, Tensor]:
    """Read a state dict, also one inside a checkpoint.

    Args:
        file: File that ``torch.save`` wrote, or ``.safetensors``.
        key: Configuration key that errors name.

    Raises:
        ConfigError: No such file, or no state dict in it.
        MissingExtraError: ``safetensors`` is needed and not installed.
    """
    if not file.is_file():
        raise ConfigError(
            "no file with pretrained weights",
            where=f"{key}: {file}",
            remedy="name a state dict, such as one that torchvision offers",
        )
    content: Any = _read_safetensors(file, key) if file.suffix == ".safetensors" else _read_torch(file, key)
    for name in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    whole = isinstance(content, Mapping) and bool(content)
    if not whole or not all(isinstance(value, Tensor) for value in content.values()):
        raise ConfigError(
            "the file holds no state dict",
            where=f"{key}: {file}",
            got=type(content).__name__,
            expected="names of weights with their values",
        )
    return {str(name): value for name, value in content.items()}


def _read_torch(file: Path, key: str) -> object:
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise ConfigError(
            "cannot read the pretrained weights",
            where=f"{key}: {file}",
            got=" ".join(str(error).split())[:200] or type(error).__name__,
            expected="a state dict, written by torch.save or in safetensors format",
        ) from error


def _read_safetensors(file: Path, key: str) -> object:
    try:
        load_file = importlib.import_module("safetensors.torch").load_file
    except ImportError as error:
        raise MissingExtraError(
            "this file needs the package safetensors", where=file, remedy="pip install safetensors"
        ) from error
    try:
        return load_file(file)
    except Exception as error:  # its own class is not part of its interface
        raise ConfigError(
            "cannot read the pretrained weights",
            where=f"{key}: {file}",
            got=" ".join(str(error).split())[:200],
            expected="a file in safetensors format",
        ) from error
