# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Max pooling that remembers where its values came from, and the way back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def max_pool_with_indices(x: Tensor) -> tuple[Tensor, Tensor]:
    """Halve all sides.

    Args:
        x: ``(B, C, *S)`` with two or three axes in ``S``.

    Returns:
        Largest values ``(B, C, *S / 2)``, and the place of each in the flattened ``S``, int64.
    """
    if x.dim() == 5:
        return functional.max_pool3d_with_indices(x, [2, 2, 2], [2, 2, 2])
    return functional.max_pool2d_with_indices(x, [2, 2], [2, 2])


def max_unpool(x: Tensor, indices: Tensor) -> Tensor:
    """Double all sides: values return to where they came from, zeros fill the rest.

    Unlike PyTorch's own unpooling it can be exported to ONNX and is deterministic on GPUs.

    Args:
        x: ``(B, C, *S)``.
        indices: Those of :func:`max_pool_with_indices`, of the same shape.

    Returns:
        ``(B, C, *2S)``.
    """
    values = x.flatten(2)
    cells = 8 if x.dim() == 5 else 4  # what each value was chosen from
    doubled = torch.zeros_like(values).repeat(1, 1, cells).scatter(2, indices.flatten(2), values)
    shape = [x.shape[0], x.shape[1]]
    shape.extend([2 * side for side in x.shape[2:]])
    return doubled.reshape(shape)
