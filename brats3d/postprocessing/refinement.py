"""Refinement of the probabilities of a whole case by its image, before they become masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from brats3d.postprocessing.components import bounding_box
from brats3d.postprocessing.dense_crf import DenseCrf

_NEGLIGIBLE = 0.01
"""Where no region has more than this probability anywhere in reach, nothing is refined."""


@dataclass(frozen=True, eq=False)
class Refinement:
    """A random field over the probabilities of regions.

    Attributes:
        crf: The field.
        class_table: Region membership of each class, bool ``(K, R)``, where the classes exclude each
            other and shall be refined together; None: each region by itself.
        device: Where it is computed.
    """

    crf: DenseCrf
    class_table: NDArray[np.bool_] | None
    device: str

    def __call__(
        self, probabilities: NDArray[np.float32], image: NDArray[np.float32], spacing_mm: Sequence[float]
    ) -> NDArray[np.float32]:
        """Refine one case.

        Args:
            probabilities: ``(R, *S)`` in [0, 1].
            image: What the network saw, ``(C, *S)``.
            spacing_mm: Voxel size along each axis.

        Returns:
            Float32 ``(R, *S)``.
        """
        box = self._box(probabilities)
        if box is None:
            return probabilities
        inside = (slice(None), *box)
        cut, seen = (
            torch.from_numpy(np.ascontiguousarray(array[inside], dtype=np.float32)).to(self.device)
            for array in (probabilities, image)
        )
        refined = probabilities.copy()
        refined[inside] = self._refined(cut, seen, spacing_mm).cpu().numpy()
        return refined

    def _box(self, probabilities: NDArray[np.float32]) -> tuple[slice, ...] | None:
        box = bounding_box(probabilities.max(axis=0) > _NEGLIGIBLE)
        if box is None:
            return None
        reach = self.crf.radius_voxels
        return tuple(slice(max(0, span.start - reach), span.stop + reach) for span in box)

    def _refined(self, probabilities: Tensor, image: Tensor, spacing_mm: Sequence[float]) -> Tensor:
        solved = None if self.class_table is None else classes_of_regions(self.class_table)
        if self.class_table is None or solved is None:
            return self.crf.of_regions(probabilities, image, spacing_mm)
        from_regions = torch.from_numpy(solved).to(probabilities)
        of_class = torch.einsum("kr,r...->k...", from_regions[:, :-1], probabilities)
        of_class += from_regions[:, -1].reshape(-1, *(1,) * (image.ndim - 1))
        refined = self.crf.of_classes(of_class, image, spacing_mm)
        table = torch.from_numpy(self.class_table).to(probabilities)
        return torch.einsum("kr,k...->r...", table, refined).clamp_(max=1)


def classes_of_regions(class_table: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """Matrix ``(K, R + 1)`` that takes probabilities of regions, and a 1, to those of classes.

    None where regions do not determine them: there are other numbers of classes than of regions and one
    more, or regions that others are made up of.
    """
    classes, regions = class_table.shape
    system = np.vstack([class_table.T, np.ones(classes)])
    if classes != regions + 1 or np.linalg.matrix_rank(system) < classes:
        return None
    return np.linalg.inv(system).astype(np.float32)
