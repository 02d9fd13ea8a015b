"""Bounding boxes against the places of all non-zero elements."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from brats3d.metrics.boxes import bounding_box


@pytest.mark.parametrize("shape", [(7,), (6, 9), (5, 8, 7), (3, 4, 5, 6)])
@pytest.mark.parametrize("seed", range(6))
def test_box_holds_everything_and_no_more(shape, seed):
    rng = np.random.default_rng(seed)
    masks = [rng.random(shape) > 0.97 for _ in range(2)]
    masks[0].flat[rng.integers(masks[0].size)] = True
    places = np.argwhere(masks[0] | masks[1])
    expected = tuple(slice(a, b + 1) for a, b in zip(places.min(axis=0), places.max(axis=0), strict=True))
    assert bounding_box(*masks) == expected
    assert bounding_box(masks[1], masks[0]) == expected
    for order in itertools.permutations(range(len(shape))):  # as they may lie in memory
        moved = [np.ascontiguousarray(mask.transpose(order)).transpose(np.argsort(order)) for mask in masks]
        assert bounding_box(*moved) == expected
    backwards = tuple(
        slice(size - part.stop, size - part.start) for part, size in zip(expected, shape, strict=True)
    )
    assert bounding_box(*(np.flip(mask) for mask in masks)) == backwards


def test_nothing_gives_an_empty_box():
    assert bounding_box(np.zeros((4, 5)), np.zeros((4, 5), dtype=bool)) == (slice(0, 0), slice(0, 0))


def test_nan_counts_and_minus_zero_does_not():
    values = np.zeros((4, 5))
    values[0, 0] = -0.0
    values[2, 3] = np.nan
    assert bounding_box(values) == (slice(2, 3), slice(3, 4))
