# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""From logits to region probabilities, and from classes to training targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scripts.core.registry import look_up


def _sigmoid_probabilities(logits: Tensor, table: Tensor) -> Tensor:
    return torch.sigmoid(logits)


def _softmax_probabilities(logits: Tensor, table: Tensor) -> Tensor:
    of_class = torch.softmax(logits, dim=1)
    # A loop instead of a matrix product: autocast would round a product to half precision.
    regions = [of_class[:, column].sum(dim=1) for column in table.T.bool()]
    return torch.stack(regions, dim=1).clamp_(max=1)


_PROBABILITIES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {"sigmoid": _sigmoid_probabilities, "softmax": _softmax_probabilities}
)


class Head:
    """How the channels of a network are read.

    ``sigmoid``: one channel per region, regions may overlap. ``softmax``: one channel per class,
    classes exclude each other; a region's probability is the sum over its classes.
    """

    def __init__(self, name: str, class_table: NDArray[np.bool_]) -> None:
        """Make a head.

        Args:
            name: ``sigmoid`` or ``softmax``.
            class_table: Region membership of each class, bool ``(K, R)``; row 0 is the background.

        Raises:
            ConfigError: An unknown name.
        """
        self._probabilities = look_up(_PROBABILITIES, name, "model.head")
        self.name = name
        self._regions_of_class = torch.from_numpy(np.ascontiguousarray(class_table)).float()
        self._copies: dict[torch.device, Tensor] = {}
        classes, regions = class_table.shape
        self.out_channels: int = regions if name == "sigmoid" else classes

    def target(self, classes: Tensor) -> Tensor:
        """Turn class indices into what the logits are trained towards.

        Args:
            classes: Class indices of an integer dtype, ``(B, 1, *S)`` or ``(B, *S)``; the first
                form is taken where the second axis has one element.

        Returns:
            Float32 of zeros and ones, ``(B, out_channels, *S)``.
        """
        table = self._table_on(classes.device)
        if self.name == "softmax":
            table = torch.eye(len(table), device=classes.device)
        return _membership(table, classes)

    def regions(self, classes: Tensor) -> Tensor:
        """Turn class indices, as for :meth:`target`, into region masks, bool ``(B, R, *S)``."""
        return _membership(self._table_on(classes.device), classes).bool()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Turn logits ``(B, out_channels, *S)`` into region probabilities, float32 ``(B, R, *S)``."""
        return self._probabilities(logits.float(), self._table_on(logits.device))

    def _table_on(self, device: torch.device) -> Tensor:
        """Return the table on ``device``, copied there once: a copy makes the CPU wait for a GPU."""
        if device not in self._copies:
            self._copies[device] = self._regions_of_class.to(device)
        return self._copies[device]


def _membership(table: Tensor, classes: Tensor) -> Tensor:
    """Columns of a table ``(K, M)`` for class indices ``(B, [1,] *S)``: ``(B, M, *S)``."""
    if classes.shape[1] == 1:
        classes = classes[:, 0]
    return table.T[:, classes.long()].movedim(0, 1).contiguous()
