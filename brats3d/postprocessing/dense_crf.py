"""Dense conditional random field by mean field (Kraehenbuehl and Koltun 2011), with a window.

Labels of neighbouring voxels that look alike are drawn together. The kernels of the paper reach over the
whole image and are filtered approximately; here they are computed exactly, for neighbours within a
radius. Neighbours are visited offset by offset, so that the memory is a few volumes whatever the radius.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from brats3d.errors import ConfigError

_LEAST = 1e-6


@dataclass(frozen=True)
class DenseCrf:
    """Settings of the field.

    The pairwise potential is Potts': it lets two neighbours of different labels cost the sum of two
    kernels. Each kernel's weight is what all neighbours together contribute to the log-odds of a voxel
    where they all look like it and agree, since its spatial Gaussian sums to 1 over the window.

    Attributes:
        iterations: Mean-field updates.
        appearance_weight: Weight of the kernel of place and intensity.
        appearance_sigma_mm: Its standard deviation in space.
        appearance_sigma_intensity: Its standard deviation in the units of the image, over all channels.
        smoothness_weight: Weight of the kernel of place alone.
        smoothness_sigma_mm: Its standard deviation.
        radius_voxels: Farthest neighbour; the window is a ball in voxels, also where they are not cubes.

    Raises:
        ConfigError: A value that cannot work.
    """

    iterations: int
    appearance_weight: float
    appearance_sigma_mm: float
    appearance_sigma_intensity: float
    smoothness_weight: float
    smoothness_sigma_mm: float
    radius_voxels: int

    def __post_init__(self) -> None:
        """Check the values."""
        for name, least in (("iterations", 1), ("radius_voxels", 1)):
            if getattr(self, name) < least:
                raise _unfit(name, getattr(self, name), f"{least} or more")
        for name in ("appearance_weight", "smoothness_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise _unfit(name, getattr(self, name), "0 or more")
        for name in ("appearance_sigma_mm", "appearance_sigma_intensity", "smoothness_sigma_mm"):
            if not 0 < getattr(self, name) < math.inf:
                raise _unfit(name, getattr(self, name), "a positive number")

    def of_regions(self, probabilities: Tensor, image: Tensor, spacing_mm: Sequence[float]) -> Tensor:
        """Refine regions independently of each other, each against what lies outside it.

        Args:
            probabilities: Float32 ``(R, *S)`` in [0, 1], in two or three dimensions.
            image: Floating point ``(C, *S)``, on the same device.
            spacing_mm: Voxel size along each axis.

        Returns:
            Marginals of the regions, float32 ``(R, *S)``.
        """
        unary = torch.logit(probabilities.float(), eps=_LEAST)
        # Two labels: what speaks for one speaks against the other.
        return self._field(unary, torch.sigmoid, lambda found: 2 * found - 1, image, spacing_mm)

    def of_classes(self, probabilities: Tensor, image: Tensor, spacing_mm: Sequence[float]) -> Tensor:
        """Refine classes that exclude each other, ``(K, *S)``; else as :meth:`of_regions`."""
        unary = probabilities.float().clamp(min=_LEAST).log()
        return self._field(
            unary, lambda logits: torch.softmax(logits, dim=0), lambda found: found, image, spacing_mm
        )

    def _field(
        self,
        unary: Tensor,
        normalised: Callable[[Tensor], Tensor],
        votes: Callable[[Tensor], Tensor],
        image: Tensor,
        spacing_mm: Sequence[float],
    ) -> Tensor:
        neighbours = list(self._neighbours(spacing_mm))
        found = normalised(unary)
        for _ in range(self.iterations):
            found = normalised(unary + self._messages(votes(found), image.float(), neighbours))
        return found

    def _messages(self, votes: Tensor, image: Tensor, neighbours: Sequence[_Neighbour]) -> Tensor:
        """Add up the votes of all neighbours, each times its kernel, ``(K, *S)``."""
        total = torch.zeros_like(votes)
        for offset, near, smooth in neighbours:
            here, there = _pair(offset)
            kernel = torch.zeros_like(image[0][here])
            for channel in image:
                kernel += (channel[here] - channel[there]).square_()
            kernel.mul_(-0.5 / self.appearance_sigma_intensity**2).exp_().mul_(near).add_(smooth)
            for label, vote in zip(total, votes, strict=True):
                label[here] += kernel * vote[there]
                label[there] += kernel * vote[here]
        return total

    def _neighbours(self, spacing_mm: Sequence[float]) -> Iterator[_Neighbour]:
        """Offsets of one half of the window, with the weights of both kernels in space."""
        reach = range(-self.radius_voxels, self.radius_voxels + 1)
        window = [
            offset
            for offset in itertools.product(reach, repeat=len(spacing_mm))
            if any(offset) and math.dist(offset, (0,) * len(offset)) <= self.radius_voxels
        ]
        ways = [math.hypot(*(n * step for n, step in zip(o, spacing_mm, strict=True))) for o in window]
        near = _shares(ways, self.appearance_sigma_mm)
        smooth = _shares(ways, self.smoothness_sigma_mm)
        for offset, one, other in zip(window, near, smooth, strict=True):
            if offset > (0,) * len(offset):  # the other half are the same pairs
                yield offset, self.appearance_weight * one, self.smoothness_weight * other


_Neighbour = tuple[tuple[int, ...], float, float]


def _shares(ways_mm: Sequence[float], sigma_mm: float) -> list[float]:
    """Gaussian of distances, relative to the nearest so that not all vanish, as shares of their sum."""
    nearest = min(ways_mm)
    found = [math.exp((nearest**2 - way**2) / (2 * sigma_mm**2)) for way in ways_mm]
    return [value / sum(found) for value in found]


def _pair(offset: Sequence[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of a volume whose voxels lie ``offset`` apart."""
    here = tuple(slice(max(0, -step), -step if step > 0 else None) for step in offset)
    there = tuple(slice(max(0, step), step if step < 0 else None) for step in offset)
    return here, there


def _unfit(name: str, got: object, expected: str) -> ConfigError:
    return ConfigError(
        "a setting that cannot work", where=f"postprocess.crf.{name}", got=got, expected=expected
    )
