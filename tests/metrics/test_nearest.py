"""Nearest points on a grid against all pairs, near and far, and the steps that are taken first."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from brats3d.metrics import nearest
from brats3d.metrics.nearest import nearest_mm, neighbourhood

SPACINGS = [(1.0, 1.0), (0.6, 2.2), (1.0, 1.0, 1.0), (0.7, 1.3, 2.5), (1.0, 1.0, 6.5), (0.01, 1.0, 40.0)]


def with_room(points: np.ndarray, spacing: tuple[float, ...]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Flat indices of points, ``(n, axes)``, into a grid with the room behind them that is asked for."""
    reach = neighbourhood(spacing).reach
    shape = tuple(int(last) + 1 + room for last, room in zip(points.max(axis=0), reach, strict=True))
    return np.ravel_multi_index(tuple(points.T), shape), shape


def compared(
    points: np.ndarray, others: np.ndarray, spacing: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """What nearest_mm finds and the least of all distances."""
    both, shape = with_room(np.concatenate([points, others]), spacing)
    found = nearest_mm(both[: len(points)], both[len(points) :], shape, spacing)
    return found, cdist(points * spacing, others * spacing).min(axis=1)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize(("number", "extent"), [(1, 3), (40, 8), (400, 12), (400, 60), (2000, 40)])
def test_nearest_of_random_points(spacing, number, extent):
    rng = np.random.default_rng(number + extent)
    points, others = rng.integers(0, extent, (2, number, len(spacing)))
    found, expected = compared(points, others, spacing)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)


def test_some_points_near_and_some_far():
    """The near half is found by steps, the far half by the tree."""
    rng = np.random.default_rng(0)
    others = rng.integers(0, 20, (3000, 3))
    points = np.concatenate([rng.integers(0, 22, (1500, 3)), rng.integers(60, 80, (1500, 3))])
    found, expected = compared(points, others, (1.0, 0.8, 1.5))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)


class Tree:
    """Stands in for the tree and notes how many points were searched for."""

    def __init__(self):
        self.searched = 0

    def __call__(self, points, **options):
        self.tree = cKDTree(points, **options)
        return self

    def query(self, points):
        self.searched += len(points)
        return self.tree.query(points)


def test_only_far_points_are_left_to_the_tree(monkeypatch):
    tree = Tree()
    monkeypatch.setattr(nearest, "cKDTree", tree)
    others = np.argwhere(np.ones((40, 40, 1), dtype=bool))
    near, far = (others + np.array([0, 0, distance]) for distance in (3, 60))
    found, expected = compared(near, others, (1.0, 1.0, 1.0))
    assert tree.searched == 0
    np.testing.assert_array_equal(found, expected)
    found, expected = compared(np.concatenate([near, far]), others, (1.0, 1.0, 1.0))
    assert tree.searched == len(far)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_steps_are_all_there_are_up_to_their_length(spacing):
    near = neighbourhood(spacing)
    assert (np.diff(near.lengths_mm) >= 0).all()
    assert len(np.unique(near.steps, axis=0)) == len(near.steps)
    np.testing.assert_allclose(near.lengths_mm, np.linalg.norm(near.steps * spacing, axis=1))
    wider = np.indices((31,) * len(spacing)).reshape(len(spacing), -1).T - 15
    lengths = np.linalg.norm(wider * spacing, axis=1)
    shorter = (lengths > 0) & (lengths < near.lengths_mm[-1] * (1 - 1e-9))
    assert {tuple(step) for step in wider[shorter]} <= {tuple(step) for step in near.steps}
    assert near.reach == tuple(np.abs(near.steps).max(axis=0))
    assert (near.rings[0], near.rings[-1]) == (0, len(near.steps))
    for begin, end in itertools.pairwise(near.rings):
        assert np.ptp(near.lengths_mm[begin:end]) < 1e-9 * near.lengths_mm[begin]
