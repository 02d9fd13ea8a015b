# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""What all losses share: full precision, contiguous memory, weights per channel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scripts.core.errors import ConfigError

PARAMS_KEY = "loss.params"


class Float32Loss(nn.Module, ABC):
    """A loss that is computed in float32, also where the network runs in reduced precision."""

    def __init__(self, weights: Sequence[float] | None = None) -> None:
        """Keep the relative weights of the channels.

        Raises:
            ConfigError: A weight below 0, or none above; or a name, which only a training resolves.
        """
        super().__init__()
        if isinstance(weights, str):
            raise ConfigError(
                "weights by name can only be computed in a training",
                where=f"{PARAMS_KEY}.weights",
                got=weights,
                expected="numbers",
            )
        if weights is not None and (min(weights, default=0) < 0 or sum(weights) <= 0):
            raise ConfigError(
                "weights must not be negative, and not all zero", where=f"{PARAMS_KEY}.weights", got=weights
            )
        self.register_buffer(
            "weights", None if weights is None else torch.tensor(weights, dtype=torch.float32)
        )
        self.weights: Tensor | None

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss, a float32 scalar.

        Args:
            logits: ``(B, C, *S)``, any floating dtype.
            target: Zeros and ones, ``(B, C, *S)``.

        Raises:
            ConfigError: The number of weights is not the number of channels.
        """
        assert logits.shape == target.shape, f"logits {logits.shape} and target {target.shape} differ"
        if self.weights is not None and len(self.weights) != logits.shape[1]:
            raise ConfigError(
                "the loss needs one weight per channel of the network",
                where=f"{PARAMS_KEY}.weights",
                got=f"{len(self.weights)} weights",
                expected=f"{logits.shape[1]} weights",
            )
        with torch.autocast(logits.device.type, enabled=False):
            # One layout for both makes the element-wise passes over them linear in memory.
            return self.compute(logits.float().contiguous(), target.float().contiguous())

    @abstractmethod
    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of contiguous float32 tensors."""

    def mean_over_channels(self, losses: Tensor, first: int = 0) -> Tensor:
        """Average losses ``(B, C')`` or ``(C',)``, each channel by its weight.

        Args:
            losses: One loss per channel.
            first: Channel that the first column stands for.
        """
        if self.weights is None:
            return losses.mean()
        weights = self.weights[first:]
        return (losses * (weights / weights.sum())).sum(dim=-1).mean()


def check_positive(value: float, name: str, *, zero: bool = False) -> float:
    """Return ``value`` if it is above 0 (or 0 where ``zero`` allows it).

    Raises:
        ConfigError: It is not.
    """
    if value > 0 or (zero and value == 0):
        return float(value)
    raise ConfigError(
        f"{name} must be {'at least' if zero else 'above'} 0", where=f"{PARAMS_KEY}.{name}", got=value
    )


def first_overlap_channel(head: str, include_background: bool | None) -> int:
    """Return the first channel that an overlap loss counts: 1 skips the background.

    Args:
        head: ``sigmoid`` (no background channel) or ``softmax``.
        include_background: What the user wished; by default the background is left out.

    Raises:
        ConfigError: A wish that a sigmoid head cannot fulfil.
    """
    if head == "softmax":
        return 0 if include_background else 1
    if include_background is not None:
        raise ConfigError(
            "include_background needs the softmax head: regions have no background channel",
            where=f"{PARAMS_KEY}.include_background",
            got=include_background,
            remedy="remove it, or set model.head to softmax",
        )
    return 0
