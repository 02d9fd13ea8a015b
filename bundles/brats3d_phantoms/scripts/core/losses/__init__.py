# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Losses by name, for both heads.

A loss maps logits ``(B, C, *S)`` and a target of zeros and ones ``(B, C, *S)`` to a float32 scalar.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import nn

from scripts.core.losses.compound import build_compound
from scripts.core.losses.deep_supervision import DeepSupervisionLoss
from scripts.core.losses.float32_loss import PARAMS_KEY
from scripts.core.losses.terms import TERMS
from scripts.core.registry import check_params, look_up

LOSSES: Mapping[str, Callable[..., nn.Module]] = MappingProxyType({**TERMS, "compound": build_compound})

HEADS: Mapping[str, str] = MappingProxyType({"sigmoid": "one channel per region", "softmax": "per class"})


def build_loss(name: str, *, head: str, params: Mapping[str, Any]) -> nn.Module:
    """Build a loss.

    Args:
        name: Key of :data:`LOSSES`.
        head: ``sigmoid`` or ``softmax``.
        params: Keyword parameters of the loss.

    Raises:
        ConfigError: An unknown name, head or parameter, or a value that cannot work.
    """
    builder = look_up(LOSSES, name, "loss.name")
    look_up(HEADS, head, "model.head")
    check_params(builder, params, PARAMS_KEY, {"head"})
    return builder(head=head, **params)


__all__ = ["LOSSES", "DeepSupervisionLoss", "build_loss"]
