"""Fuzzy K-means against scikit-fuzzy, loops over points and clusters, and answers by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats3d.baselines.fuzzy_kmeans import fuzzy_kmeans, kmeans_plus_plus, memberships


def blobs(features: int = 2, seed: int = 0) -> np.ndarray:
    """Sixty points in three groups of unequal size."""
    generator = np.random.default_rng(seed)
    centres = 10 * np.eye(3, features) + np.arange(3)[:, None] * 4
    return np.concatenate(
        [generator.normal(c, 1.5, (n, features)) for c, n in zip(centres, (10, 20, 30), strict=True)]
    )


def sorted_by_first(centres: np.ndarray) -> np.ndarray:
    return np.argsort(centres[:, 0])


@pytest.mark.parametrize("features", [1, 2, 3])
@pytest.mark.parametrize("fuzzifier", [1.5, 2.0, 3.0])
def test_it_ends_where_scikit_fuzzy_ends(features: int, fuzzifier: float) -> None:
    cluster = pytest.importorskip("skfuzzy.cluster")
    points = blobs(features)
    ours = fuzzy_kmeans(
        points,
        3,
        fuzzifier=fuzzifier,
        tolerance=1e-10,
        most_iterations=2000,
        generator=np.random.default_rng(1),
    )
    theirs, their_shares, *_ = cluster.cmeans(points.T, 3, fuzzifier, error=1e-10, maxiter=2000, seed=1)
    mine, other = sorted_by_first(ours.centres), sorted_by_first(theirs)
    np.testing.assert_allclose(ours.centres[mine], theirs[other], atol=1e-6)
    np.testing.assert_allclose(ours.memberships[:, mine], their_shares.T[:, other], atol=1e-6)


@given(
    points=st.lists(st.tuples(*[st.floats(-100, 100)] * 2), min_size=1, max_size=6),
    fuzzifier=st.floats(1.2, 4.0),
)
def test_memberships_are_bezdeks(points: list[tuple[float, float]], fuzzifier: float) -> None:
    centres = np.array([[-7.0, 3.0], [1.0, 2.0], [50.0, -50.0]])
    found = memberships(np.array(points), centres, fuzzifier)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    for point, row in zip(points, found, strict=True):
        distances = [np.hypot(*(np.array(point) - centre)) for centre in centres]
        if min(distances) > 1e-6:
            expected = [
                1 / sum((own / other) ** (2 / (fuzzifier - 1)) for other in distances) for own in distances
            ]
            np.testing.assert_allclose(row, expected, rtol=1e-6, atol=1e-12)


def test_memberships_by_hand() -> None:
    # Distances 1 and 3: 1 / (1 + 1/9) for a fuzzifier of 2, and a point on a centre is all its own.
    centres = np.array([[0.0], [4.0]])
    found = memberships(np.array([[1.0], [2.0], [4.0]]), centres, 2.0)
    np.testing.assert_allclose(found, [[0.9, 0.1], [0.5, 0.5], [0, 1]], atol=1e-12)


def test_one_update_by_hand() -> None:
    # Whichever of the two points comes first, the centres start at both of them.
    found = fuzzy_kmeans(np.array([[0.0], [3.0]]), 2, generator=np.random.default_rng(0))
    np.testing.assert_allclose(np.sort(found.centres[:, 0]), [0, 3], atol=1e-12)
    assert found.iterations == 1


def test_updates_end_at_the_tolerance_or_at_the_most_allowed() -> None:
    points = blobs()
    few = fuzzy_kmeans(points, 3, tolerance=0.0, most_iterations=3, generator=np.random.default_rng(0))
    assert few.iterations == 3
    loose = fuzzy_kmeans(points, 3, tolerance=0.1, generator=np.random.default_rng(0))
    tight = fuzzy_kmeans(points, 3, tolerance=1e-8, generator=np.random.default_rng(0))
    assert loose.iterations < tight.iterations < 200


def test_the_objective_is_no_larger_than_from_other_starts() -> None:
    points = blobs()

    def objective(seed: int) -> float:
        found = fuzzy_kmeans(points, 3, tolerance=1e-8, generator=np.random.default_rng(seed))
        squared = ((points[:, None] - found.centres) ** 2).sum(axis=-1)
        return float((found.memberships**2 * squared).sum())

    assert np.ptp([objective(seed) for seed in range(6)]) < 1e-4


def test_the_same_seed_gives_the_same_clusters() -> None:
    first, second = (fuzzy_kmeans(blobs(), 4, generator=np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first.centres, second.centres)
    np.testing.assert_array_equal(first.memberships, second.memberships)


def test_a_fuzzifier_near_one_gives_clusters_of_kmeans() -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    points = blobs()
    found = fuzzy_kmeans(points, 3, fuzzifier=1.02, generator=np.random.default_rng(0))
    theirs = cluster.KMeans(3, n_init=5, random_state=0).fit(points).cluster_centers_
    order, other = sorted_by_first(found.centres), sorted_by_first(theirs)
    np.testing.assert_allclose(found.centres[order], theirs[other], atol=0.05)


def test_equal_points_are_no_trouble() -> None:
    found = fuzzy_kmeans(np.full((9, 2), 3.0), 4, generator=np.random.default_rng(0))
    np.testing.assert_allclose(found.centres, 3.0)
    np.testing.assert_allclose(found.memberships, 0.25)


def test_first_centres_are_points_and_lie_apart() -> None:
    points = np.array([[0.0], [0.1], [100.0], [100.1], [-100.0]])
    for seed in range(20):
        centres = kmeans_plus_plus(points, 3, np.random.default_rng(seed))[:, 0]
        assert set(centres) <= set(points[:, 0])
        assert len({round(centre / 100) for centre in centres}) == 3


def test_first_centres_are_drawn_by_squared_distance() -> None:
    points = np.array([[0.0], [1.0], [3.0]])
    second = []
    for seed in range(4000):
        first, other = kmeans_plus_plus(points, 2, np.random.default_rng(seed))[:, 0]
        if first == 0:
            second.append(other)
    assert np.mean(np.array(second) == 3) == pytest.approx(0.9, abs=0.025)
