# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Distances to the boundary of masks: exact, on processors and on GPUs.

Processor seconds of the boundary loss with its gradient, for 2 samples of 3 regions, on one core of
a busy Intel Xeon virtual machine: 0.08 at 48 voxels along each axis, 0.3 at 64, 4 at 128 (Dice plus
cross-entropy: 0.01, 0.03, 0.6). On a GPU the distances are computed there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor


@torch.no_grad()
def distances_to_boundary(masks: Tensor, spacing_mm: Sequence[float]) -> Tensor:
    """Return for each voxel how far it is from the nearest one on the other side of its mask.

    Args:
        masks: Bool ``(B, C, *S)``.
        spacing_mm: Voxel size along each axis.

    Returns:
        Float32 ``(B, C, *S)`` on the device of the masks, in millimetres; 0 where a mask is empty or
        fills its image.
    """
    if masks.device.type == "cpu":
        return _by_scipy(masks, spacing_mm)
    return _by_passes(masks, spacing_mm)


def _by_scipy(masks: Tensor, spacing_mm: Sequence[float]) -> Tensor:
    found = torch.zeros(masks.shape)
    flat_masks, flat_found = masks.flatten(0, 1).numpy(), found.flatten(0, 1).numpy()
    for mask, distances in zip(flat_masks, flat_found, strict=True):
        if mask.any() and not mask.all():
            for side in (mask, ~mask):
                distances += ndimage.distance_transform_edt(side, sampling=spacing_mm).astype(np.float32)
    return found


def _by_passes(masks: Tensor, spacing_mm: Sequence[float]) -> Tensor:
    """One pass for each axis, each taking the least of all distances along it (Felzenszwalb 2012)."""
    total = torch.zeros(masks.shape, device=masks.device)
    for side in (masks, ~masks):
        squares = torch.where(side, torch.inf, 0.0)
        for axis, step in enumerate(spacing_mm, start=2):
            squares = _least_along(squares, axis, step)
        # Without another side there is no distance.
        total += torch.where(torch.isinf(squares), 0.0, squares).sqrt()
    return total


def _least_along(squares: Tensor, axis: int, step: float) -> Tensor:
    """Least of squared distances so far plus the square of the way along one axis."""
    extent = squares.shape[axis]
    least = squares.clone()
    for shift in range(1, extent):
        way = (shift * step) ** 2
        near, far = squares.narrow(axis, 0, extent - shift), squares.narrow(axis, shift, extent - shift)
        after, before = least.narrow(axis, shift, extent - shift), least.narrow(axis, 0, extent - shift)
        torch.minimum(after, near + way, out=after)
        torch.minimum(before, far + way, out=before)
    return least
