# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""One batch through a network: evaluation mode, mixed precision, mirror images, probabilities."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor, nn

from scripts.core.errors import ConfigError, closest_first

Precision = Literal["fp32", "bf16", "fp16"]
_AUTOCAST_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class RegionHead(Protocol):
    """What turns the logits of a network into probabilities of regions."""

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits ``(B, out, *S)`` to probabilities, float32 ``(B, R, *S)``."""
        ...


class RegionForward:
    """Probabilities of the regions for a batch, averaged over its mirror images.

    Args:
        network: ``(B, C, *S)`` to logits ``(B, out, *S)``.
        head: Turns logits into probabilities of regions.
        spatial_dims: Number of spatial axes the network works on.
        flips: Spatial axes that are mirrored, in all combinations; True for all, False for none.
        device: Where the network runs; None: where its parameters are.
        precision: Precision of the network; probabilities are always float32.

    Raises:
        ConfigError: Unknown precision, or a flip along an axis that does not exist.
    """

    def __init__(
        self,
        network: nn.Module,
        head: RegionHead,
        *,
        spatial_dims: int,
        flips: bool | Sequence[int] = False,
        device: torch.device | str | None = None,
        precision: Precision = "fp32",
    ) -> None:
        self.network = network if device is None else network.to(device)
        self.head = head
        self.spatial_dims = spatial_dims
        self.mirrors = _mirrors(flips, spatial_dims)
        self.precision = _checked_precision(precision)

    @property
    def device(self) -> torch.device:
        """Device of the network's weights (the CPU when it has none)."""
        tensors = itertools.chain(self.network.parameters(), self.network.buffers())
        return next((tensor.device for tensor in tensors), torch.device("cpu"))

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation and inference mode inside; afterwards every module has its former mode."""
        modes = {module: module.training for module in self.network.modules()}
        self.network.eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            for module, training in modes.items():
                module.training = training

    def __call__(self, batch: Tensor, *, mirrors_at_once: int = 1) -> Tensor:
        """Probabilities of a batch.

        Args:
            batch: Float32 ``(B, C, *S)`` on the network's device.
            mirrors_at_once: Mirror images of the batch that share a call of the network, which then
                sees ``B * mirrors_at_once`` images.

        Returns:
            Float32 ``(B, R, *S)`` on the network's device.
        """
        total: Tensor | None = None
        for first in range(0, len(self.mirrors), mirrors_at_once):
            chosen = self.mirrors[first : first + mirrors_at_once]
            images = [batch.flip(dims) if dims else batch for dims in chosen]
            logits = self._logits(torch.cat(images) if len(images) > 1 else images[0])
            # Outside autocast, so that the sum over mirror images does not lose digits.
            mirrored = self.head.probabilities(logits).float().split(len(batch))
            for dims, probabilities in zip(chosen, mirrored, strict=True):
                restored = probabilities.flip(dims) if dims else probabilities
                total = restored if total is None else total + restored
        assert total is not None
        return total / len(self.mirrors) if len(self.mirrors) > 1 else total

    def _logits(self, batch: Tensor) -> Tensor:
        dtype = _AUTOCAST_DTYPES.get(self.precision)
        if dtype is None:
            return self.network(batch)
        with torch.autocast(batch.device.type, dtype=dtype):
            return self.network(batch)


def _mirrors(flips: bool | Sequence[int], spatial_dims: int) -> tuple[tuple[int, ...], ...]:
    """Tensor dimensions to flip, one entry for each mirror image, the image itself first."""
    axes = range(spatial_dims if flips else 0) if isinstance(flips, bool) else sorted(set(flips))
    if any(axis not in range(spatial_dims) for axis in axes):
        raise ConfigError(
            "a flip along an axis that does not exist",
            where="inference.flips",
            got=list(axes),
            expected=f"axes from 0 to {spatial_dims - 1}, true or false",
        )
    subsets = (itertools.combinations(axes, count) for count in range(len(axes) + 1))
    return tuple(tuple(axis + 2 for axis in chosen) for chosen in itertools.chain.from_iterable(subsets))


def _checked_precision(precision: str) -> str:
    choices = closest_first(precision, get_args(Precision))
    if precision not in choices:
        raise ConfigError(
            f"unknown precision {precision!r}",
            where="inference precision",
            got=precision,
            expected="one of " + ", ".join(choices),
            remedy=f"did you mean {choices[0]!r}?",
        )
    return precision
