"""Fuzzy K-means (fuzzy C-means), vectorised over points and clusters.

Sources: Bezdek 1981, Pattern Recognition with Fuzzy Objective Function Algorithms; Arthur and
Vassilvitskii 2007, k-means++: the advantages of careful seeding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Keeps the distance of a point to itself off zero; far below the square of any float32 difference.
_LEAST_SQUARED_DISTANCE = 1e-30


class FuzzyClusters(NamedTuple):
    """Result of :func:`fuzzy_kmeans`.

    Attributes:
        centres: Float64 ``(K, F)``.
        memberships: Float64 ``(N, K)`` in [0, 1]; each row sums to 1.
        iterations: Updates until no membership changed by more than the tolerance, or the most allowed.
    """

    centres: NDArray[np.float64]
    memberships: NDArray[np.float64]
    iterations: int


def kmeans_plus_plus(
    points: NDArray[np.floating], clusters: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Draw ``clusters`` of the points as first centres, float64 ``(K, F)``.

    The first is drawn evenly, each other with a probability that grows with the square of its
    distance to the nearest centre so far. Of points that are all equal any will do.

    Args:
        points: ``(N, F)``, at least one.
        clusters: Number of centres.
        generator: Source of the draws.
    """
    known = np.asarray(points, dtype=np.float64)
    centres = np.empty((clusters, known.shape[1]))
    centres[0] = known[generator.integers(len(known))]
    nearest = _squared_distances(known, centres[:1])[:, 0]
    for index in range(1, clusters):
        total = nearest.sum()
        weights = nearest / total if total > 0 else None
        centres[index] = known[generator.choice(len(known), p=weights)]
        np.minimum(nearest, _squared_distances(known, centres[index : index + 1])[:, 0], out=nearest)
    return centres


def memberships(
    points: NDArray[np.floating], centres: NDArray[np.float64], fuzzifier: float
) -> NDArray[np.float64]:
    """How much each point belongs to each cluster, float64 ``(N, K)``; rows sum to 1.

    A membership is proportional to ``distance ** (-2 / (fuzzifier - 1))``.

    Args:
        points: ``(N, F)``.
        centres: ``(K, F)``.
        fuzzifier: Above 1; near 1 memberships are nearly 0 or 1, large ones blur them.
    """
    squared = _squared_distances(np.asarray(points, dtype=np.float64), centres)
    np.maximum(squared, _LEAST_SQUARED_DISTANCE, out=squared)
    # Relative to the nearest centre, so that no power overflows.
    squared /= squared.min(axis=1, keepdims=True)
    inverse = squared ** (-1.0 / (fuzzifier - 1.0))
    inverse /= inverse.sum(axis=1, keepdims=True)
    return inverse


def fuzzy_kmeans(
    points: NDArray[np.floating],
    clusters: int,
    *,
    fuzzifier: float = 2.0,
    tolerance: float = 1e-4,
    most_iterations: int = 200,
    generator: np.random.Generator,
) -> FuzzyClusters:
    """Cluster points by alternating updates of memberships and centres.

    Args:
        points: ``(N, F)``, at least one.
        clusters: Number of clusters.
        fuzzifier: Exponent of the memberships, above 1.
        tolerance: Largest change of a membership at which the updates end.
        most_iterations: Updates after which they end in any case.
        generator: Source of the first centres.
    """
    known = np.asarray(points, dtype=np.float64)
    centres = kmeans_plus_plus(known, clusters, generator)
    shares = memberships(known, centres, fuzzifier)
    iterations = 0
    while iterations < most_iterations:
        iterations += 1
        weights = shares**fuzzifier
        totals = weights.sum(axis=0)[:, None]
        # A cluster that no point belongs to any more stays where it was.
        centres = np.where(totals > 0, (weights.T @ known) / np.maximum(totals, 1e-300), centres)
        updated = memberships(known, centres, fuzzifier)
        change = float(np.abs(updated - shares).max())
        shares = updated
        if change <= tolerance:
            break
    return FuzzyClusters(centres, shares, iterations)


def _squared_distances(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared Euclidean distances ``(N, K)``."""
    # Feature by feature: no array of N x K x F, and no cancellation as in |p|^2 - 2pc + |c|^2.
    squared = np.zeros((len(points), len(centres)))
    for feature in range(points.shape[1]):
        squared += (points[:, feature, None] - centres[None, :, feature]) ** 2
    return squared
