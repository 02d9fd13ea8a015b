# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Where the windows of a sliding-window prediction lie and how their predictions are blended.

Blending with a Gaussian that peaks at the window's centre follows Isensee et al. 2021 (nnU-Net):
predictions near a window's border saw less context and count less.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SIGMA_SHARE_OF_WINDOW = 0.125

Window = tuple[slice, ...]


def window_starts(size: int, window: int, overlap: float) -> tuple[int, ...]:
    """First voxel of each window along one axis.

    As few windows as the overlap allows, spread evenly, so that the first and the last one end
    flush with the image.

    Args:
        size: Voxels of the image, at least ``window``.
        window: Voxels of the window.
        overlap: Smallest share of a window that its neighbour covers too, in [0, 1).
    """
    assert size >= window >= 1
    assert 0 <= overlap < 1
    # 100 * (1 - 0.9) is a little less than 10.
    stride = max(1, math.floor(window * (1 - overlap) + 1e-9))
    intervals = math.ceil((size - window) / stride)
    return (
        tuple(index * (size - window) // intervals for index in range(intervals + 1)) if intervals else (0,)
    )


def window_grid(starts: Sequence[Sequence[int]], window: Sequence[int]) -> list[Window]:
    """All windows of the grid that the starts along each axis span."""
    return [
        tuple(slice(first, first + length) for first, length in zip(corner, window, strict=True))
        for corner in itertools.product(*starts)
    ]


def gaussian_profile(window: int) -> NDArray[np.float64]:
    """Weight of the voxels along one axis of a window, float64 ``(window,)``, at most 1."""
    distance = np.arange(window) - (window - 1) / 2
    return np.exp(-0.5 * (distance / (SIGMA_SHARE_OF_WINDOW * window)) ** 2)


class Canvas:
    """Weighted mean of the probabilities of overlapping windows, as an image, summed in float32.

    The weights are a product over the axes, and so is their sum over the grid: one vector for each
    axis replaces an array as large as the image.

    Args:
        starts: First voxel of each window along each axis; together they cover the image.
        window: Voxels of a window along each axis.
        device: Where the sum is kept.
    """

    _dtype = torch.float32

    def __init__(
        self, starts: Sequence[Sequence[int]], window: Sequence[int], device: torch.device | str
    ) -> None:
        self._shape = tuple(axis[-1] + length for axis, length in zip(starts, window, strict=True))
        self._device = torch.device(device)
        profiles = [torch.from_numpy(gaussian_profile(length)) for length in window]
        self._weights = _outer(profiles).to(self._device, torch.float32)
        self._totals = [
            _along(_sum_of_profiles(size, starts[axis], profiles[axis]), axis, len(self._shape))
            for axis, size in enumerate(self._shape)
        ]
        self._sum: Tensor | None = None

    def add(self, windows: Sequence[Window], probabilities: Tensor) -> None:
        """Add the probabilities ``(B, R, *window)`` of ``B`` windows, all or none."""
        assert probabilities.shape[2:] == self._weights.shape, (probabilities.shape, self._weights.shape)
        if self._sum is None:
            # An inference tensor could not be changed in place by whoever receives the result.
            with torch.inference_mode(False):
                self._sum = torch.zeros(
                    (probabilities.shape[1], *self._shape), dtype=self._dtype, device=self._device
                )
        # Last allocation: from here on memory cannot run out halfway.
        weighted = probabilities.to(self._device) * self._weights
        for window, contribution in zip(windows, weighted, strict=True):
            self._sum[(slice(None), *window)] += self._share(contribution, window)

    def move_to_host(self) -> bool:
        """Keep the sum in main memory, in float32, from now on; False when it is there already."""
        if self._device.type == "cpu":
            return False
        self._device, self._dtype = torch.device("cpu"), torch.float32
        self._weights = self._weights.cpu()
        with torch.inference_mode(False):
            self._sum = None if self._sum is None else self._sum.to(self._device, self._dtype)
        return True

    def mean(self) -> Tensor:
        """Return the probabilities, float32 ``(R, *S)`` on the CPU; the canvas is then used up."""
        assert self._sum is not None
        mean = self._mean_of(self._sum.cpu().to(torch.float32))
        self._sum = None
        return mean.clamp_(0, 1)

    def _share(self, weighted: Tensor, window: Window) -> Tensor:
        """What a window, weighted ``(R, *window)``, adds to the sum; changed in place."""
        return weighted

    def _mean_of(self, total: Tensor) -> Tensor:
        """Mean for the sum ``(R, *S)``; changed in place."""
        for weights in self._totals:
            total /= weights.to(torch.float32)
        return total


class HalfCanvas(Canvas):
    """A canvas that sums in float16: half the memory of a GPU, half the way to the host.

    Weights are divided by their sum over the grid before they are used, so that those of a voxel add
    up to 1: nothing can overflow, and each window changes a probability by 0.00025 at most by rounding.
    """

    _dtype = torch.float16

    def __init__(
        self, starts: Sequence[Sequence[int]], window: Sequence[int], device: torch.device | str
    ) -> None:
        super().__init__(starts, window, device)
        self._factors = [(1 / weights).to(self._device, torch.float32) for weights in self._totals]

    def move_to_host(self) -> bool:
        """Keep the sum in main memory, in float32, from now on; False when it is there already."""
        moved = super().move_to_host()
        self._factors = [factors.to(self._device) for factors in self._factors]
        return moved

    def _share(self, weighted: Tensor, window: Window) -> Tensor:
        for axis, factors in enumerate(self._factors):
            weighted *= factors.narrow(axis, window[axis].start, weighted.shape[axis + 1])
        return weighted

    def _mean_of(self, total: Tensor) -> Tensor:
        return total


def _along(vector: Tensor, axis: int, dims: int) -> Tensor:
    """A vector that broadcasts along an axis of an image."""
    return vector.reshape([-1 if dim == axis else 1 for dim in range(dims)])


def _outer(vectors: Sequence[Tensor]) -> Tensor:
    product = vectors[0]
    for vector in vectors[1:]:
        product = product[..., None] * vector
    return product


def _sum_of_profiles(size: int, starts: Sequence[int], profile: Tensor) -> Tensor:
    """Weight of each voxel along one axis, summed over the windows."""
    total = torch.zeros(size, dtype=torch.float64)
    for first in starts:
        total[first : first + len(profile)] += profile
    return total
