# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""The contract that networks, ensembles and everything else that segments a volume satisfies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from torch import Tensor

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)`` after each batch of windows or slices."""


@runtime_checkable
class Segmenter(Protocol):
    """Anything that gives every voxel of an image the probability to lie in each region."""

    def segment(self, image: Tensor) -> Tensor:
        """Segment one prepared image.

        Args:
            image: Floating point ``(C, *S)``, on any device, preprocessed as in training.

        Returns:
            Probabilities, float32 ``(R, *S)`` in [0, 1] on the CPU, in the order of the regions.
        """
        ...
