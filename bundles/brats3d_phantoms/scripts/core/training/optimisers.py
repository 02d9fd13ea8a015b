# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.nn import Parameter
from torch.optim import Optimizer

from scripts.core.errors import ConfigError
from scripts.core.registry import look_up


def _adamw(parameters: Iterable[Parameter], momentum: float, **shared: Any) -> Optimizer:
    return torch.optim.AdamW(parameters, **shared)


def _adam(parameters: Iterable[Parameter], momentum: float, **shared: Any) -> Optimizer:
    return torch.optim.Adam(parameters, **shared)


def _sgd(parameters: Iterable[Parameter], momentum: float, **shared: Any) -> Optimizer:
    return torch.optim.SGD(parameters, momentum=momentum, nesterov=momentum > 0, **shared)


OPTIMISERS: Mapping[str, Callable[..., Optimizer]] = MappingProxyType(
    {"adamw": _adamw, "adam": _adam, "sgd": _sgd}
)


def build_optimiser(
    name: str,
    parameters: Iterable[Parameter],
    *,
    lr: float,
    weight_decay: float,
    momentum: float,
    fused: bool,
) -> Optimizer:
    """Build an optimiser.

    Args:
        name: Key of :data:`OPTIMISERS`.
        parameters: What is trained.
        lr: Learning rate.
        weight_decay: Weight decay.
        momentum: Momentum of sgd (Nesterov); the others have their own.
        fused: Whether all tensors are updated in one kernel.

    Raises:
        ConfigError: Unknown name, or a learning rate that is not positive.
    """
    if not lr > 0:
        raise ConfigError("the learning rate must be positive", where="optim.lr", got=lr)
    build = look_up(OPTIMISERS, name, "optim.name")
    return build(parameters, momentum, lr=lr, weight_decay=weight_decay, fused=fused)


# How the learning rate grows with the number of batches whose gradients a step averages.
LR_SCALINGS: Mapping[str, Callable[[int], float]] = MappingProxyType(
    {"none": lambda batches: 1.0, "linear": float, "sqrt": math.sqrt}
)


def scaled_rate(lr: float, scaling: str, batches: int) -> float:
    """Learning rate of steps that average the gradients of several batches.

    Args:
        lr: Rate for steps of one batch.
        scaling: Name in :data:`LR_SCALINGS`: ``none``, ``linear`` (Goyal et al. 2017) or ``sqrt``
            (Krizhevsky 2014).
        batches: Processes times accumulated batches.

    Raises:
        ConfigError: Unknown scaling.
    """
    return lr * look_up(LR_SCALINGS, scaling, "optim.lr_scaling")(batches)


def _poly(progress: float) -> float:
    return (1.0 - progress) ** 0.9


def _cosine(progress: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def _one_cycle(progress: float) -> float:
    # Smith & Topin 2018: up for 30 % of the training from 1/25 of the peak, then down to almost zero.
    rising = 0.3
    if progress < rising:
        return 1 / 25 + (1 - 1 / 25) * 0.5 * (1 - math.cos(math.pi * progress / rising))
    return max(1e-4, 0.5 * (1 + math.cos(math.pi * (progress - rising) / (1 - rising))))


def _constant(progress: float) -> float:
    return 1.0


# Each maps the progress of the training (0 to 1) to a factor on the peak learning rate. `plateau`
# holds the rate; the training module lowers it when the validation Dice stops rising.
SCHEDULES: Mapping[str, Callable[[float], float]] = MappingProxyType(
    {
        "poly": _poly,
        "cosine": _cosine,
        "one_cycle": _one_cycle,
        "constant": _constant,
        "plateau": _constant,
    }
)


def rate_factor(schedule: str, progress: float, warmup: float) -> float:
    """Factor on the peak learning rate.

    Args:
        schedule: Name in :data:`SCHEDULES`.
        progress: Share of the training that is done, 0 to 1.
        warmup: Share over which the factor rises linearly from almost zero.

    Raises:
        ConfigError: Unknown schedule.
    """
    factor = look_up(SCHEDULES, schedule, "optim.schedule")(min(max(progress, 0.0), 1.0))
    if warmup > 0 and progress < warmup:
        factor *= max(progress / warmup, 0.01)
    return factor
