# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Random rotation and scaling of image and classes in one resampling step."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import MapTransform, RandomizableTransform
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

PADDINGS = ("zeros", "border", "reflection")


class RandRotateScaled(RandomizableTransform, MapTransform):
    """Rotate and scale ``image`` (linear) and ``classes`` (nearest) about the centre of the patch.

    Both draws share one sampling grid, so an image is interpolated once, and not at all if neither
    comes up. Angles and factors act on voxels: patches that are no cubes are not sheared.

    Args:
        spatial_dims: 2 or 3.
        rotation_probability: Chance of a rotation.
        rotation_degrees: Largest angle, about each axis in 3D.
        scaling_probability: Chance of a scaling.
        scaling_range: Smallest and largest magnification; one factor for all axes.
        padding: What lies outside the patch: ``zeros`` (as outside the brain), ``border`` or
            ``reflection``.
        output_size: Side lengths of the result, cut from the centre; None keeps the patch's.
            Patches drawn larger than this have real tissue where corners turn in.
    """

    def __init__(
        self,
        spatial_dims: int,
        *,
        rotation_probability: float,
        rotation_degrees: float,
        scaling_probability: float,
        scaling_range: tuple[float, float],
        padding: str = "zeros",
        output_size: tuple[int, ...] | None = None,
    ) -> None:
        MapTransform.__init__(self, keys=("image", "classes"))
        RandomizableTransform.__init__(self, prob=1.0)
        self.spatial_dims = spatial_dims
        self.rotation_probability = rotation_probability
        self.rotation_degrees = rotation_degrees
        self.scaling_probability = scaling_probability
        self.scaling_range = scaling_range
        self.padding = padding
        self.output_size = output_size

    def draw(self) -> Tensor | None:
        """Draw the matrix from output to input voxel offsets, ``(D, D)``, or None for no change."""
        rotates = self.R.uniform() < self.rotation_probability
        scales = self.R.uniform() < self.scaling_probability
        matrix = torch.eye(self.spatial_dims)
        if rotates:
            for first in range(self.spatial_dims):
                for second in range(first + 1, self.spatial_dims):
                    angle = math.radians(self.R.uniform(-self.rotation_degrees, self.rotation_degrees))
                    turn = torch.eye(self.spatial_dims)
                    turn[first, first] = turn[second, second] = math.cos(angle)
                    turn[first, second], turn[second, first] = -math.sin(angle), math.sin(angle)
                    matrix = matrix @ turn
        if scales:
            low, high = self.scaling_range
            # Uniform in the logarithm: halving is as likely as doubling.
            matrix = matrix / math.exp(self.R.uniform(math.log(low), math.log(high)))
        return matrix if rotates or scales else None

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Transform one sample of tensors ``(C, *S)``; dtypes are kept."""
        sample = dict(data)
        matrix = self.draw()
        if matrix is None:
            if self.output_size is not None:
                for key in self.keys:
                    sample[key] = centre(sample[key], self.output_size)
            return sample
        size_in = tuple(sample["image"].shape[1:])
        size_out = self.output_size or size_in
        theta = sampling_theta(matrix, size_in, size_out)
        grid = affine_grid(theta[None], [1, 1, *size_out], align_corners=False)
        sample["image"] = self._sample(sample["image"], grid, "bilinear")
        classes = sample["classes"]
        sample["classes"] = self._sample(classes.float(), grid, "nearest").to(classes.dtype)
        return sample

    def _sample(self, volume: Tensor, grid: Tensor, mode: str) -> Tensor:
        return grid_sample(volume[None], grid, mode=mode, padding_mode=self.padding, align_corners=False)[0]


def sampling_theta(matrix: Tensor, size_in: tuple[int, ...], size_out: tuple[int, ...]) -> Tensor:
    """Return what ``affine_grid`` calls theta, ``(D, D + 1)``, of a matrix about the centre.

    Args:
        matrix: From output to input voxel offsets, ``(D, D)``.
        size_in: Side lengths of what is sampled.
        size_out: Side lengths of the result.
    """
    # torch measures from -1 to 1 between the outer faces, and names the last axis first.
    to_voxels = torch.diag(torch.tensor(size_out, dtype=torch.float32) / 2)
    from_voxels = torch.diag(2 / torch.tensor(size_in, dtype=torch.float32))
    linear = (from_voxels @ matrix @ to_voxels).flip(0).flip(1)
    return torch.cat([linear, torch.zeros(len(linear), 1)], dim=1)


def centre(volume: Tensor, size: tuple[int, ...]) -> Tensor:
    """Return the view of ``size`` in the middle of ``(C, *S)``."""
    for axis, length in enumerate(size, start=1):
        volume = volume.narrow(axis, (volume.shape[axis] - length) // 2, length)
    return volume
