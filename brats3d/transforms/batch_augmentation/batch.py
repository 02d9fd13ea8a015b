"""Random changes to a batch of training patches."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from brats3d.transforms.augmentation import build_augmentation
from brats3d.transforms.batch_augmentation.draws import Drawing
from brats3d.transforms.batch_augmentation.intensity import change_intensities
from brats3d.transforms.batch_augmentation.spatial import move


class BatchAugmentation:
    """Spatial, then intensity changes; each sample's seed decides what happens to it.

    As in :class:`brats3d.transforms.augmentation.Augmentation`, voxels that are zero after the
    spatial part stay zero.

    Args:
        settings: Every keyword argument of :func:`~brats3d.transforms.augmentation.build_augmentation`.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._draw = Drawing(settings)
        self._padding: str = settings["padding"]
        size = settings["output_size"]
        self._output_size = None if size is None else tuple(size)

    @torch.no_grad()
    def __call__(self, image: Tensor, classes: Tensor, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Augment one batch on the device it is on.

        Args:
            image: float16 or float32 ``(B, C, *S)``; not changed.
            classes: uint8 ``(B, 1, *S)``; not changed.
            seeds: Seed of each sample.

        Returns:
            Image, float32, and classes, uint8.
        """
        draws = [self._draw(seed, image.shape[1]) for seed in seeds]
        image, classes = move(image, classes, draws, padding=self._padding, output_size=self._output_size)
        for sample, drawn in zip(image, draws, strict=True):
            change_intensities(sample, drawn)
        return image, classes


def build_batch_augmentation(spatial_dims: int, **settings: Any) -> BatchAugmentation:
    """Build the augmentation of batches.

    Args:
        spatial_dims: 2 or 3.
        settings: As those of :func:`~brats3d.transforms.augmentation.build_augmentation`.

    Raises:
        ConfigError: A probability outside 0 to 1, or a range that is empty or not positive.
    """
    build_augmentation(spatial_dims, **settings)  # checks the settings
    call = inspect.signature(build_augmentation).bind(spatial_dims, **settings)
    call.apply_defaults()
    return BatchAugmentation(call.arguments)
