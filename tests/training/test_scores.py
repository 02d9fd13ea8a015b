"""Scores while training: of whole cases, and of batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from brats3d.labels import CONVENTIONS
from brats3d.models.heads import Head
from brats3d.training.scores import batch_scores, case_scores, mean_scores

CONVENTION = CONVENTIONS["brats2023"]
NAMES = CONVENTION.region_names


def random_classes(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, shape).astype(np.uint8)


def masks(classes: np.ndarray) -> np.ndarray:
    return np.moveaxis(CONVENTION.class_table[classes], -1, 0)


def test_a_case() -> None:
    prediction, reference = masks(random_classes(0, 5, 6, 7)), masks(random_classes(1, 5, 6, 7))
    scores = case_scores(prediction, reference, NAMES, "a")
    for index in range(len(NAMES)):
        both = (prediction[index] & reference[index]).sum()
        either = (prediction[index] | reference[index]).sum()
        assert scores["iou"][index] == pytest.approx(both / either)
        assert scores["dice"][index] == pytest.approx(2 * both / (both + either))
    same = random_classes(0, 5, 6, 7) == random_classes(1, 5, 6, 7)
    assert scores["accuracy"] == [pytest.approx(same.mean())]


def test_means_over_cases() -> None:
    cases = {
        "b": {"dice": [1.0, 0.5, 0.0], "loss": [3.0]},
        "a": {"dice": [0.0, 0.5, 0.0], "loss": [1.0]},
    }
    means = mean_scores(cases, NAMES)
    expected = {f"dice_{name}": value for name, value in zip(NAMES, (0.5, 0.5, 0.0), strict=True)}
    assert means == pytest.approx({**expected, "dice": 1 / 3, "loss": 2.0})
    assert mean_scores({}, NAMES) == {}


@pytest.mark.parametrize("name", ["sigmoid", "softmax"])
def test_a_batch(name: str) -> None:
    head = Head(name, CONVENTION.class_table)
    predicted, classes = random_classes(2, 3, 1, 5, 6), random_classes(3, 3, 1, 5, 6)
    logits = 20 * head.target(torch.from_numpy(predicted)) - 10
    dice, accuracy = batch_scores(logits, torch.from_numpy(classes), head).tolist()
    ours, theirs = masks(predicted), masks(classes)
    axes = tuple(range(1, ours.ndim))
    expected = 2 * (ours & theirs).sum(axes) / (ours.sum(axes) + theirs.sum(axes))
    assert dice == pytest.approx(expected.mean(), rel=1e-5)
    assert accuracy == pytest.approx((predicted == classes).mean(), rel=1e-5)


def test_a_batch_without_tumour() -> None:
    head = Head("sigmoid", CONVENTION.class_table)
    empty = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    assert batch_scores(torch.full((2, 3, 4, 4), -5.0), empty, head).tolist() == [1.0, 1.0]
    assert batch_scores(torch.full((2, 3, 4, 4), 5.0), empty, head).tolist() == [0.0, 0.0]
