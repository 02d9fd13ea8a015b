# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Voxels counted once per region; every overlap metric is derived from the four counts.

Definitions follow Taha and Hanbury 2015 and Maier-Hein et al. 2024 (Metrics Reloaded). A ratio 0/0
is NaN here: what it is worth is decided by an :class:`~brats3d.metrics.empty_policy.EmptyPolicy`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Counts:
    """Voxels of one region by agreement of prediction and reference.

    Attributes:
        tp: In both.
        fp: In the prediction only.
        fn: In the reference only.
        tn: In neither.
    """

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def predicted(self) -> int:
        """Voxels in the prediction."""
        return self.tp + self.fp

    @property
    def referenced(self) -> int:
        """Voxels in the reference."""
        return self.tp + self.fn

    @property
    def dice(self) -> float:
        """Dice coefficient, which is also the F1 score, 0 to 1."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def f1(self) -> float:
        """F1 score: for voxels the same as Dice."""
        return self.dice

    @property
    def iou(self) -> float:
        """Intersection over union (Jaccard index), 0 to 1."""
        return _ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def sensitivity(self) -> float:
        """Share of the reference that was found (recall), 0 to 1."""
        return _ratio(self.tp, self.referenced)

    @property
    def recall(self) -> float:
        """The same as sensitivity."""
        return self.sensitivity

    @property
    def specificity(self) -> float:
        """Share of the voxels outside the reference that were left out, 0 to 1."""
        return _ratio(self.tn, self.tn + self.fp)

    @property
    def precision(self) -> float:
        """Share of the prediction that is right (positive predictive value), 0 to 1."""
        return _ratio(self.tp, self.predicted)

    @property
    def accuracy(self) -> float:
        """Share of all voxels on which both agree, 0 to 1."""
        return _ratio(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)

    @property
    def matthews_correlation(self) -> float:
        """Matthews correlation coefficient, -1 to 1."""
        margins = (self.predicted, self.referenced, self.tn + self.fp, self.tn + self.fn)
        return _ratio(self.tp * self.tn - self.fp * self.fn, math.sqrt(math.prod(margins)))

    @property
    def relative_volume_error(self) -> float:
        """Predicted volume over reference volume, less one: -1 (nothing found) upwards."""
        if not self.referenced:
            return math.inf if self.predicted else math.nan
        return (self.predicted - self.referenced) / self.referenced


def count_voxels(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], *, background_outside: int = 0
) -> Counts:
    """Count agreement of two masks.

    Args:
        prediction: Bool ``(*S)``.
        reference: Bool ``(*S)``.
        background_outside: Voxels beyond the arrays that are in neither mask (when the caller cropped).
    """
    tp = int(np.count_nonzero(prediction & reference))
    fp = int(np.count_nonzero(prediction)) - tp
    fn = int(np.count_nonzero(reference)) - tp
    return Counts(tp, fp, fn, reference.size - tp - fp - fn + background_outside)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
