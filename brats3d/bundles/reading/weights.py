"""The weights of a bundle: tensors alone, whatever else the file holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from brats3d.errors import RunError

# What MONAI and Lightning keep the weights under, beside other things.
_KEYS = ("model", "state_dict", "network")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read name to tensor, from a file with these alone or under a key such as ``model``; no code is run.

    Raises:
        RunError: The file is torn, or holds more than tensors and plain values.
    """
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for a torn or foreign file
        raise RunError(
            "cannot read the weights of the bundle",
            where=path,
            got=_inside(error),
            expected="tensors and plain values, as torch.save writes a state_dict; nothing else is read, "
            "since reading could then run code",
            remedy="copy the file again, or save the state_dict of the network alone",
        ) from error
    for key in _KEYS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = isinstance(content, Mapping) and all(isinstance(value, Tensor) for value in content.values())
    if not tensors or not content:
        raise RunError(
            "no weights in the file",
            where=path,
            got=f"a {type(content).__name__}",
            expected=f"name to tensor, alone or under {' or '.join(map(repr, _KEYS))}",
        )
    return dict(content)


def _inside(error: Exception) -> str:
    """What torch stumbled over; its own message explains how to read the file all the same."""
    code = re.search(r"GLOBAL (\S+)", str(error))
    return f"{code[1]}, which is code" if code is not None else type(error).__name__


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load weights into their network.

    Args:
        network: The network.
        weights: Name to tensor.
        path: File they are of, for the message.

    Raises:
        RunError: They are of another network.
    """
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise of_another_network(path, str(error).splitlines()[-1].strip()[:400]) from error


def of_another_network(path: Path, got: str) -> RunError:
    """Error of weights that do not fit."""
    return RunError(
        "the weights belong to another network",
        where=path,
        got=got,
        expected="the weights of the network_def in the bundle's configuration",
        remedy="take configuration and weights from the same bundle",
    )
