# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Linear resampling between grids that cover the same extent.

Both grids share their outer faces, not their first voxel centres: with ``n`` voxels resampled to
``m``, output voxel ``j`` lies at input index ``(j + 0.5) * n / m - 0.5``. Resampling there and back
therefore shifts nothing. Coarser grids are sampled through a triangle filter as wide as one output
voxel on either side, so that fine structure is averaged and not skipped.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import MapTransform
from numpy.typing import NDArray
from torch.nn.functional import interpolate

Shape3 = tuple[int, int, int]


def shape_at_spacing(
    shape: tuple[int, ...], spacing_mm: tuple[float, ...], wanted_mm: tuple[float, ...]
) -> Shape3:
    """Voxels per axis that cover the extent of ``shape`` in steps closest to ``wanted_mm``."""
    x, y, z = (
        max(1, round(size * have / want))
        for size, have, want in zip(shape, spacing_mm, wanted_mm, strict=True)
    )
    return x, y, z


def resample_linear(volume: NDArray[np.generic], shape: Shape3) -> NDArray[np.float32]:
    """Resample ``(C, X, Y, Z)`` of any dtype to ``(C, *shape)`` float32, trilinear."""
    tensor = torch.from_numpy(np.ascontiguousarray(volume, dtype=np.float32))
    channels, depth = tensor.shape[:2]
    # One axis pair, then the remaining axis: torch filters (antialias) in two dimensions only.
    planes = interpolate(tensor, size=shape[1:], mode="bilinear", antialias=True)
    lines = planes.reshape(1, channels, depth, -1)
    lines = interpolate(lines, size=(shape[0], lines.shape[-1]), mode="bilinear", antialias=True)
    return lines.reshape(channels, *shape).numpy()


def resample_classes(classes: NDArray[np.generic], shape: Shape3) -> NDArray[np.generic]:
    """Resample class indices or masks ``(C, X, Y, Z)`` to ``(C, *shape)``, same dtype.

    Every voxel takes the class with the largest share of it. Picking the nearest voxel instead
    would shift labels against images by half a fine voxel when the factor is even.
    """
    values = np.unique(classes)
    result = np.full((len(classes), *shape), values[0], dtype=classes.dtype)
    largest = resample_linear(classes == values[0], shape)
    for value in values[1:]:
        share = resample_linear(classes == value, shape)
        wins = share > largest
        result[wins] = value
        np.maximum(largest, share, out=largest)
    return result


class ResampleToSpacingd(MapTransform):
    """Resample ``image``, ``brain``, ``fields_of_view`` and ``classes`` to a voxel size.

    Voxels outside the brain do not bleed into it: each image voxel is the weighted mean of the
    brain voxels around it.

    Args:
        spacing_mm: Wanted voxel size; the extent is kept, so the size differs by a rounding.
        current_spacing_key: Entry of the sample with the voxel size it has now.
    """

    def __init__(
        self, spacing_mm: tuple[float, float, float], current_spacing_key: str = "spacing_mm"
    ) -> None:
        super().__init__(keys=("image", "brain", "fields_of_view", "classes"), allow_missing_keys=True)
        self.spacing_mm = spacing_mm
        self.current_spacing_key = current_spacing_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Resample one sample of numpy arrays ``(C, X, Y, Z)``."""
        sample = dict(data)
        current = tuple(float(size) for size in sample[self.current_spacing_key])
        shape = shape_at_spacing(sample["image"].shape[1:], current, self.spacing_mm)
        if shape == sample["image"].shape[1:]:
            return sample
        inside = sample["fields_of_view"].astype(np.float32)
        share = resample_linear(inside, shape)
        total = resample_linear(sample["image"] * inside, shape)
        sample["image"] = total / np.maximum(share, 1e-3)
        sample["fields_of_view"] = share >= 0.5
        sample["brain"] = resample_linear(sample["brain"], shape) >= 0.5
        if "classes" in sample:
            sample["classes"] = resample_classes(sample["classes"], shape)
        return sample
