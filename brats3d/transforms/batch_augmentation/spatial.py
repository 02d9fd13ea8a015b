"""Mirroring, rotation and scaling of the samples of a batch, in one resampling step each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from brats3d.transforms.batch_augmentation.draws import Draws
from brats3d.transforms.batch_augmentation.transfer import moved
from brats3d.transforms.rotation_scaling import centre, sampling_theta


def move(
    image: Tensor,
    classes: Tensor,
    draws: Sequence[Draws],
    *,
    padding: str,
    output_size: tuple[int, ...] | None = None,
) -> tuple[Tensor, Tensor]:
    """Mirror, rotate and scale.

    Samples that are neither rotated nor scaled keep their values exactly.

    Args:
        image: ``(B, C, *S)``, float16 or float32.
        classes: uint8 ``(B, 1, *S)``.
        draws: What happens to each sample.
        padding: What lies outside a patch: ``zeros``, ``border`` or ``reflection``.
        output_size: Side lengths of the result, cut from the centre; None keeps the patch's.

    Returns:
        New tensors: image float32 ``(B, C, *S)`` and classes uint8 ``(B, 1, *S)``.
    """
    size = tuple(image.shape[2:]) if output_size is None else output_size
    moved_image = image.new_empty((*image.shape[:2], *size), dtype=torch.float32)
    moved_classes = classes.new_empty((*classes.shape[:2], *size))
    resampled = [number for number, drawn in enumerate(draws) if drawn.matrix is not None]
    for number, drawn in enumerate(draws):
        if drawn.matrix is None:
            axes = [axis + 1 for axis in drawn.flips]
            for result, source in ((moved_image, image), (moved_classes, classes)):
                result[number].copy_(centre(source[number], size).flip(axes))
    if resampled:
        grid = _grid([draws[number] for number in resampled], tuple(image.shape[2:]), size, image.device)
        for result, source, mode in ((moved_image, image, "bilinear"), (moved_classes, classes, "nearest")):
            volumes = source if len(resampled) == len(draws) else torch.stack([source[i] for i in resampled])
            sampled = grid_sample(volumes.float(), grid, mode=mode, padding_mode=padding, align_corners=False)
            for number, volume in zip(resampled, sampled, strict=True):
                result[number].copy_(volume)
    return moved_image, moved_classes


def _grid(
    draws: Sequence[Draws], size_in: tuple[int, ...], size_out: tuple[int, ...], device: torch.device
) -> Tensor:
    """Where to read each output voxel, ``(B, *S, D)``."""
    thetas = []
    for drawn in draws:
        assert drawn.matrix is not None
        mirrored = drawn.matrix.clone()
        mirrored[list(drawn.flips)] *= -1
        thetas.append(sampling_theta(mirrored, size_in, size_out))
    on_device = moved(torch.stack(thetas), device)
    # One at a time: a product of many matrices may be rounded otherwise than that of one.
    return torch.cat(
        [affine_grid(theta[None], [1, 1, *size_out], align_corners=False) for theta in on_device]
    )
