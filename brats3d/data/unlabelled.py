"""Prepared cases as a training without labels sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from brats3d.data.datasets import Sample
from brats3d.data.store import StoredCase


@dataclass(frozen=True)
class UnlabelledCase(StoredCase):
    """A prepared case whose label map, if it has one, is not read."""

    def classes(self) -> NDArray[np.uint8]:
        """Background everywhere, uint8 ``(X, Y, Z)``."""
        return np.broadcast_to(np.uint8(0), self.image().shape[1:])

    @property
    def foreground(self) -> dict[int, NDArray[np.int16]]:
        """No voxel of any class."""
        return {}


class ImagePairs(Dataset[Sample]):
    """An image of a source and one of a target for each running number."""

    def __init__(self, source: Dataset[Sample], target: Dataset[Sample]) -> None:
        """Put two datasets of samples side by side."""
        self.source = source
        self.target = target

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Return ``source`` and ``target``, each float32 ``(C, *S)``."""
        return {"source": self.source[number]["image"], "target": self.target[number]["image"]}
