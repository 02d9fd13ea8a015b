# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Boundary loss (Kervadec et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scripts.core.errors import ConfigError
from scripts.core.losses.distances import distances_to_boundary
from scripts.core.losses.float32_loss import PARAMS_KEY, Float32Loss, first_overlap_channel


class Boundary(Float32Loss):
    """Mean distance of what is wrong from the boundary of the reference, in millimetres; at least 0.

    Each voxel counts by how far its probability is from the truth, times its distance. The published
    loss is less than this by its value for the reference itself, which no gradient depends on. Alone it
    does not train a network, which would do well to predict nothing: it is added to a loss of overlap
    (``compound``), with a small weight.

    A channel that is empty or fills the image has no boundary there and costs nothing.
    """

    def __init__(
        self,
        *,
        head: str,
        include_background: bool | None = None,
        spacing_mm: Sequence[float] | None = None,
        weights: Sequence[float] | None = None,
    ) -> None:
        """Set up the loss.

        Args:
            head: ``sigmoid`` or ``softmax``.
            include_background: Whether the background class counts (softmax only; by default not).
            spacing_mm: Voxel size along each axis; by default 1 mm. Under deep supervision the coarser
                levels are measured with it too.
            weights: Relative weights of the channels.

        Raises:
            ConfigError: A parameter that cannot work.
        """
        super().__init__(weights)
        self.softmax = head == "softmax"
        self.first = first_overlap_channel(head, include_background)
        self.spacing_mm = None if spacing_mm is None else tuple(float(step) for step in spacing_mm)
        if self.spacing_mm is not None and not all(0 < step < float("inf") for step in self.spacing_mm):
            raise self._unfit("positive numbers")

    def compute(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the weighted mean over channels.

        Raises:
            ConfigError: A spacing with another number of axes.
        """
        dims = logits.ndim - 2
        spacing = self.spacing_mm or (1.0,) * dims
        if len(spacing) != dims:
            raise self._unfit(f"{dims} numbers")
        probabilities = torch.softmax(logits, dim=1) if self.softmax else torch.sigmoid(logits)
        probabilities, target = probabilities[:, self.first :], target[:, self.first :]
        distances = distances_to_boundary(target.bool(), spacing)
        wrong = (probabilities - target).abs() * distances
        return self.mean_over_channels(wrong.flatten(2).mean(dim=2), self.first)

    def _unfit(self, expected: str) -> ConfigError:
        return ConfigError(
            "a voxel size that cannot work",
            where=f"{PARAMS_KEY}.spacing_mm",
            got=self.spacing_mm,
            expected=expected,
        )
