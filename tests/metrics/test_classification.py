"""Confusion matrix, ROC curve and the threshold of a gate, against counts by hand and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from brats3d.errors import DataError
from brats3d.metrics.classification import (
    confusion_matrix,
    roc_auc,
    roc_curve,
    threshold_at_sensitivity,
)

LABELS = [0, 0, 0, 1, 1, 1, 1]
CONFIDENCES = [0.1, 0.2, 0.7, 0.15, 0.6, 0.7, 0.9]

samples = st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=1, max_size=40)


def test_decisions_are_counted() -> None:
    found = confusion_matrix(LABELS, CONFIDENCES, 0.6)
    assert found.to_dict() == {
        "true_negatives": 2,
        "false_positives": 1,
        "false_negatives": 1,
        "true_positives": 3,
        "accuracy": 5 / 7,
        "balanced_accuracy": (2 / 3 + 3 / 4) / 2,
        "sensitivity": 3 / 4,
        "specificity": 2 / 3,
        "precision": 3 / 4,
    }


@pytest.mark.parametrize("label", [0, 1])
def test_shares_of_a_class_that_is_missing_are_nan(label: int) -> None:
    found = confusion_matrix([label] * 3, [0.1, 0.5, 0.9], 0.5)
    assert math.isnan(found.specificity if label else found.sensitivity)
    assert math.isnan(found.balanced_accuracy)
    assert math.isnan(roc_auc([label] * 3, [0.1, 0.5, 0.9]))


def test_nothing_to_count_is_nan() -> None:
    assert math.isnan(confusion_matrix([], [], 0.5).accuracy)


@settings(max_examples=30)
@given(samples)
def test_scores_agree_with_scikit_learn(drawn: list[tuple[bool, int]]) -> None:
    labels = [True, False, *(label for label, _ in drawn)]
    confidences = [0.5, 0.5, *(level / 8 for _, level in drawn)]
    assert roc_auc(labels, confidences) == pytest.approx(sklearn_metrics.roc_auc_score(labels, confidences))
    found = confusion_matrix(labels, confidences, 0.5)
    expected = sklearn_metrics.confusion_matrix(labels, np.array(confidences) >= 0.5)
    counts = [[found.true_negatives, found.false_positives], [found.false_negatives, found.true_positives]]
    assert counts == expected.tolist()
    curve = roc_curve(labels, confidences)
    fpr, tpr, thresholds = sklearn_metrics.roc_curve(labels, confidences, drop_intermediate=False)
    np.testing.assert_allclose(curve.thresholds, thresholds)
    np.testing.assert_allclose(curve.sensitivity, tpr)
    np.testing.assert_allclose(1 - curve.specificity, fpr)


@settings(max_examples=30)
@given(samples, st.floats(0.05, 1.0))
def test_the_threshold_is_the_most_specific_that_misses_few_enough(
    drawn: list[tuple[bool, int]], wanted: float
) -> None:
    labels = [True, *(label for label, _ in drawn)]
    confidences = [0.5, *(level / 8 for _, level in drawn)]
    threshold = threshold_at_sensitivity(labels, confidences, wanted)
    found = confusion_matrix(labels, confidences, threshold)
    assert found.sensitivity >= wanted - 1e-9
    curve = roc_curve(labels, confidences)
    allowed = curve.specificity[curve.sensitivity >= wanted - 1e-9]
    if not all(labels):
        assert found.specificity == pytest.approx(allowed.max())


def test_a_lower_target_may_miss_some() -> None:
    assert threshold_at_sensitivity(LABELS, CONFIDENCES, 1.0) == pytest.approx((0.15 + 0.1) / 2)
    assert threshold_at_sensitivity(LABELS, CONFIDENCES, 0.75) == pytest.approx((0.6 + 0.2) / 2)


def test_without_positives_there_is_no_threshold() -> None:
    with pytest.raises(DataError, match="no positive"):
        threshold_at_sensitivity([0, 0], [0.1, 0.2], 0.99)


def test_confidences_that_are_no_numbers_are_an_error() -> None:
    with pytest.raises(DataError, match="not a number"):
        confusion_matrix([0, 1], [0.1, math.nan], 0.5)
    with pytest.raises(DataError, match="differ in number"):
        roc_auc([0, 1], [0.1])
