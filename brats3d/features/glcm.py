"""Features of grey level co-occurrence matrices (IBSI family LFYI)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from brats3d.features.cooccurrence import AGGREGATIONS, Neighbours
from brats3d.features.definitions import BIN, BIN2, BIN3, BIN4, BIT, NUMBER, Definition, Definitions

# As many elements are worked on at a time: some 100 MB.
_ELEMENTS = 1 << 20

GLCM: Definitions = MappingProxyType(
    {
        "cm_joint_maximum": Definition(NUMBER, "GYBY", "max p_ij"),
        "cm_joint_average": Definition(BIN, "60VM", "mu = sum i p_ij"),
        "cm_joint_variance": Definition(BIN2, "UR99", "sum (i - mu)^2 p_ij"),
        "cm_joint_entropy": Definition(BIT, "TU9B", "- sum p_ij log2 p_ij"),
        "cm_difference_average": Definition(BIN, "TF7R", "sum k p_k of p_k = sum p_ij with |i - j| = k"),
        "cm_difference_variance": Definition(BIN2, "D3YU", "variance of k under that p_k"),
        "cm_difference_entropy": Definition(BIT, "NTRS", "- sum p_k log2 p_k of that p_k"),
        "cm_sum_average": Definition(BIN, "ZGXS", "sum k p_k of p_k = sum p_ij with i + j = k"),
        "cm_sum_variance": Definition(BIN2, "OEEB", "variance of k under that p_k"),
        "cm_sum_entropy": Definition(BIT, "P6QZ", "- sum p_k log2 p_k of that p_k"),
        "cm_angular_second_moment": Definition(NUMBER, "8ZQL", "sum p_ij^2"),
        "cm_contrast": Definition(BIN2, "ACUI", "sum (i - j)^2 p_ij"),
        "cm_dissimilarity": Definition(BIN, "8S9J", "sum |i - j| p_ij"),
        "cm_inverse_difference": Definition(NUMBER, "IB1Z", "sum p_ij / (1 + |i - j|)"),
        "cm_inverse_difference_normalised": Definition(NUMBER, "NDRX", "sum p_ij / (1 + |i - j| / N_g)"),
        "cm_inverse_difference_moment": Definition(NUMBER, "WF0Z", "sum p_ij / (1 + (i - j)^2)"),
        "cm_inverse_difference_moment_normalised": Definition(
            NUMBER, "1QCO", "sum p_ij / (1 + (i - j)^2 / N_g^2)"
        ),
        "cm_inverse_variance": Definition(NUMBER, "E8JP", "2 sum p_ij / (i - j)^2 over i < j"),
        "cm_correlation": Definition(NUMBER, "NI2N", "(sum i j p_ij - mu^2) / joint variance"),
        "cm_autocorrelation": Definition(BIN2, "QWB0", "sum i j p_ij"),
        "cm_cluster_tendency": Definition(BIN2, "DG8W", "sum (i + j - 2 mu)^2 p_ij"),
        "cm_cluster_shade": Definition(BIN3, "7NFM", "sum (i + j - 2 mu)^3 p_ij"),
        "cm_cluster_prominence": Definition(BIN4, "AE86", "sum (i + j - 2 mu)^4 p_ij"),
        "cm_information_correlation_1": Definition(
            NUMBER, "R8DG", "(joint entropy + sum p_ij log2(p_i p_j)) / entropy of p_i"
        ),
        "cm_information_correlation_2": Definition(
            NUMBER, "JN9H", "sqrt(1 - exp(-2 (- sum p_i p_j log2(p_i p_j) - joint entropy)))"
        ),
    }
)


def glcm(neighbours: Neighbours, aggregation: str) -> dict[str, float]:
    """Describe which levels are neighbours.

    A feature that is undefined for one matrix (a slice of a single level has no correlation) is averaged
    over the others.

    Args:
        neighbours: Levels of a region.
        aggregation: Name in :data:`~brats3d.features.cooccurrence.AGGREGATIONS`.

    Returns:
        Features of :data:`GLCM`, by name with ``_AGGREGATION``; NaN where undefined for all matrices.
    """
    sums, defined = np.zeros(len(GLCM)), np.zeros(len(GLCM))
    at_a_time = max(1, _ELEMENTS // neighbours.count**2)
    for stack in _stacks(neighbours.matrices(AGGREGATIONS[aggregation]), at_a_time):
        values = matrix_features(stack)
        sums += np.nansum(values, axis=1)
        defined += np.isfinite(values).sum(axis=1)
    with np.errstate(invalid="ignore"):
        means = sums / defined
    return {f"{name}_{aggregation}": value for name, value in zip(GLCM, means.tolist(), strict=True)}


def matrix_features(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the features of symmetric matrices.

    Args:
        counts: Float64 ``(M, N, N)``, each with a sum above zero.

    Returns:
        Float64 ``(25, M)`` in the order of :data:`GLCM`; NaN where undefined.
    """
    levels = counts.shape[1]
    p = counts / counts.sum(axis=(1, 2), keepdims=True)
    order = np.arange(levels)
    of_difference = _summed_by(np.abs(order[:, None] - order), p, levels)
    of_sum = _summed_by(order[:, None] + order, p, 2 * levels - 1)
    marginal = p.sum(axis=2)
    grey = np.arange(1.0, levels + 1)
    gap, total = np.arange(float(levels)), np.arange(2.0, 2 * levels + 1)
    mean = marginal @ grey
    variance = ((grey - mean[:, None]) ** 2 * marginal).sum(axis=1)
    difference_average, sum_average = of_difference @ gap, of_sum @ total
    from_twice_mean = total - 2 * mean[:, None]
    autocorrelation = np.einsum("mij,i,j->m", p, grey, grey)
    joint_entropy = _entropy(p.reshape(len(p), -1))
    return np.stack(
        [
            p.max(axis=(1, 2)),
            mean,
            variance,
            joint_entropy,
            difference_average,
            ((gap - difference_average[:, None]) ** 2 * of_difference).sum(axis=1),
            _entropy(of_difference),
            sum_average,
            ((total - sum_average[:, None]) ** 2 * of_sum).sum(axis=1),
            _entropy(of_sum),
            (p**2).sum(axis=(1, 2)),
            of_difference @ gap**2,
            difference_average,
            of_difference @ (1 / (1 + gap)),
            of_difference @ (1 / (1 + gap / levels)),
            of_difference @ (1 / (1 + gap**2)),
            of_difference @ (1 / (1 + gap**2 / levels**2)),
            of_difference[:, 1:] @ (1 / gap[1:] ** 2),
            _correlation(autocorrelation - mean**2, variance, p),
            autocorrelation,
            *((from_twice_mean**power * of_sum).sum(axis=1) for power in (2, 3, 4)),
            *_information_correlations(marginal, joint_entropy),
        ]
    )


def _correlation(
    covariance: NDArray[np.float64], variance: NDArray[np.float64], p: NDArray[np.float64]
) -> NDArray[np.float64]:
    flat = p.max(axis=(1, 2)) == 1  # one level only; rounding keeps the variance from being zero
    return np.where(flat, np.nan, covariance / np.where(flat, 1, variance))


def _information_correlations(
    marginal: NDArray[np.float64], joint_entropy: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both follow from entropies: - sum p_ij log2(p_i p_j), and - sum p_i p_j log2(p_i p_j), are 2 H(p_i)."""
    independent = 2 * _entropy(marginal)
    with np.errstate(invalid="ignore", divide="ignore"):
        first = (joint_entropy - independent) / (independent / 2)
    second = np.sqrt(1 - np.exp(-2 * np.maximum(independent - joint_entropy, 0)))
    return np.where(independent > 0, first, np.nan), second


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy in bits along the last axis."""
    return np.asarray(-(p * np.log2(np.where(p > 0, p, 1))).sum(axis=-1) + 0.0)


def _summed_by(index: NDArray[np.intp], p: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Sum the elements of each matrix ``(M, N, N)`` that have the same index ``(N, N)``: ``(M, size)``."""
    rows = np.arange(len(p))[:, None, None] * size
    summed = np.bincount((rows + index).ravel(), weights=p.ravel(), minlength=len(p) * size)
    return np.asarray(summed, dtype=np.float64).reshape(len(p), size)


def _stacks(matrices: Iterable[NDArray[np.float64]], size: int) -> Iterator[NDArray[np.float64]]:
    batch: list[NDArray[np.float64]] = []
    for matrix in matrices:
        batch.append(matrix)
        if len(batch) == size:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)
