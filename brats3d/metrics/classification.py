"""How well confidences tell two classes apart: confusion matrix, ROC curve, and a threshold to decide by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from brats3d.errors import DataError


@dataclass(frozen=True)
class ConfusionMatrix:
    """Counts of decisions.

    Attributes:
        true_negatives: Negatives called negative.
        false_positives: Negatives called positive.
        false_negatives: Positives called negative: those that are missed.
        true_positives: Positives called positive.
    """

    true_negatives: int
    false_positives: int
    false_negatives: int
    true_positives: int

    @property
    def accuracy(self) -> float:
        """Share of decisions that are right; NaN without any."""
        right = self.true_negatives + self.true_positives
        return _share(right, right + self.false_positives + self.false_negatives)

    @property
    def sensitivity(self) -> float:
        """Share of positives called positive; NaN without positives."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def specificity(self) -> float:
        """Share of negatives called negative; NaN without negatives."""
        return _share(self.true_negatives, self.true_negatives + self.false_positives)

    @property
    def precision(self) -> float:
        """Share of those called positive that are; NaN if none is."""
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def balanced_accuracy(self) -> float:
        """Mean of sensitivity and specificity; NaN if a class is missing."""
        return (self.sensitivity + self.specificity) / 2

    def to_dict(self) -> dict[str, float | int]:
        """Counts and shares by name, for JSON."""
        return {
            "true_negatives": self.true_negatives,
            "false_positives": self.false_positives,
            "false_negatives": self.false_negatives,
            "true_positives": self.true_positives,
            "accuracy": self.accuracy,
            "balanced_accuracy": self.balanced_accuracy,
            "sensitivity": self.sensitivity,
            "specificity": self.specificity,
            "precision": self.precision,
        }


@dataclass(frozen=True)
class RocCurve:
    """Operating points from "nothing is positive" to "everything is", one for each confidence that occurs.

    Attributes:
        thresholds: Confidence from which a point calls positive, float64 ``(n,)``, falling from infinity.
        sensitivity: Share of positives called positive, ``(n,)``, rising from 0 to 1.
        specificity: Share of negatives called negative, ``(n,)``, falling from 1 to 0.
    """

    thresholds: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    specificity: NDArray[np.float64]


def confusion_matrix(labels: ArrayLike, confidences: ArrayLike, threshold: float) -> ConfusionMatrix:
    """Count decisions.

    Args:
        labels: True where a member is positive, ``(n,)``.
        confidences: Confidence that it is, ``(n,)``.
        threshold: Confidence from which a member is called positive.

    Raises:
        DataError: Other numbers of labels and confidences, or a confidence that is no number.
    """
    positive, confidence = _checked(labels, confidences)
    called = confidence >= threshold
    return ConfusionMatrix(
        int((~positive & ~called).sum()),
        int((~positive & called).sum()),
        int((positive & ~called).sum()),
        int((positive & called).sum()),
    )


def roc_auc(labels: ArrayLike, confidences: ArrayLike) -> float:
    """Area under the ROC curve; NaN if a class is missing.

    It is the probability that a positive has a higher confidence than a negative (Mann and Whitney 1947);
    equal ones count half.

    Raises:
        DataError: As :func:`confusion_matrix`.
    """
    positive, confidence = _checked(labels, confidences)
    positives = int(positive.sum())
    negatives = positive.size - positives
    if not positives or not negatives:
        return math.nan
    ranks = float(rankdata(confidence)[positive].sum())
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)


def roc_curve(labels: ArrayLike, confidences: ArrayLike) -> RocCurve:
    """Operating points of all thresholds; a share of a class that is missing is NaN.

    Raises:
        DataError: As :func:`confusion_matrix`.
    """
    positive, confidence = _checked(labels, confidences)
    thresholds = np.unique(confidence)[::-1]
    found = [_points(confidence[members], thresholds) for members in (positive, ~positive)]
    return RocCurve(np.concatenate([[np.inf], thresholds]), found[0], 1 - found[1])


def threshold_at_sensitivity(labels: ArrayLike, confidences: ArrayLike, sensitivity: float) -> float:
    """Threshold of the highest specificity among those that miss few enough positives.

    It lies midway between the lowest confidence of a positive that must not be missed and the next lower
    confidence that occurs, so that it decides about these members as any threshold between the two would.

    Args:
        labels: True where a member is positive, ``(n,)``; at least one is.
        confidences: Confidence that it is, in [0, 1], ``(n,)``.
        sensitivity: Share of positives to call positive at least, in (0, 1].

    Raises:
        DataError: No positive, or as :func:`confusion_matrix`.
    """
    positive, confidence = _checked(labels, confidences)
    of_positives = np.sort(confidence[positive])[::-1]
    if not of_positives.size:
        raise DataError("no positive to choose a threshold by", got=f"{positive.size} negatives")
    needed = max(1, math.ceil(sensitivity * of_positives.size - 1e-9))
    lowest = float(of_positives[needed - 1])
    below = confidence[confidence < lowest]
    return (lowest + float(below.max() if below.size else 0.0)) / 2


def _points(confidence: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of members at or above infinity and each threshold."""
    if not confidence.size:
        return np.full(thresholds.size + 1, np.nan)
    ordered = np.sort(confidence)
    above = ordered.size - np.searchsorted(ordered, thresholds, side="left")
    return np.concatenate([[0.0], above / ordered.size])


def _checked(labels: ArrayLike, confidences: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    positive = np.asarray(labels, dtype=bool).reshape(-1)
    confidence = np.asarray(confidences, dtype=np.float64).reshape(-1)
    if positive.size != confidence.size:
        raise DataError(
            "labels and confidences differ in number", got=f"{positive.size} and {confidence.size}"
        )
    if not np.isfinite(confidence).all():
        raise DataError(
            "a confidence is not a number",
            got=f"NaN or infinity in {int((~np.isfinite(confidence)).sum())} of {confidence.size}",
            remedy="lower optim.lr and train again",
        )
    return positive, confidence


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
