"""STAPLE: a hidden truth and how well each member finds it, estimated together.

Warfield, Zou and Wells 2004, "Simultaneous truth and performance level estimation (STAPLE): an algorithm
for the validation of image segmentation", IEEE Transactions on Medical Imaging 23(7): binary labels, one
prior for all voxels, no Markov random field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TOLERANCE = 1e-8
_DECIMALS = 6
_MOST_ITERATIONS = 100_000
_BITS_AT_A_TIME = 32


@dataclass(frozen=True)
class Staple:
    """What the estimation found.

    Attributes:
        probabilities: Float64 ``(*S)`` in [0, 1]: how likely each voxel is in.
        sensitivities: Float64 ``(M,)``: share of the true voxels that each member finds.
        specificities: Float64 ``(M,)``: share of the other voxels that each member leaves out.
    """

    probabilities: NDArray[np.float64]
    sensitivities: NDArray[np.float64]
    specificities: NDArray[np.float64]


def estimate(members: Sequence[NDArray[np.bool_]]) -> Staple:
    """Estimate the truth by expectation maximisation.

    Which voxels are looked at matters, as in any STAPLE: the prior is the mean share of the voxels that the
    members mark, and all voxels outside count as left out rightly. Voxels that all members decide alike
    are one term of each sum, so an iteration takes no longer for large volumes.

    Args:
        members: Masks of one shape ``(*S)``, one per member.
    """
    decisions, counts, pattern_of_voxel = _patterns(members)
    truth = decisions.mean(axis=0)
    prior = float(truth @ counts) / counts.sum()
    sensitivities = specificities = np.ones(len(members))
    for _ in range(_MOST_ITERATIONS):
        former = np.concatenate([sensitivities, specificities])
        inside, outside = truth * counts, (1.0 - truth) * counts
        sensitivities = _share(decisions @ inside, inside.sum())
        specificities = _share((1.0 - decisions) @ outside, outside.sum())
        truth = _posterior(decisions, sensitivities, specificities, prior, truth)
        if np.abs(np.concatenate([sensitivities, specificities]) - former).max() <= _TOLERANCE:
            break
    return Staple(truth[pattern_of_voxel].reshape(members[0].shape), sensitivities, specificities)


def staple(members: Sequence[NDArray[np.bool_]], shares: Sequence[float]) -> NDArray[np.float64]:
    """How likely each voxel is in, by :func:`estimate`, float64 ``(*S)``, to as many digits as it has.

    So a tie, as where one of two members marks more than the other, is 0.5.

    Args:
        members: Masks of one shape ``(*S)``, one per member.
        shares: All alike: how much a member counts is what is estimated.
    """
    assert len(set(shares)) == 1, shares
    return estimate(members).probabilities.round(_DECIMALS)


def _patterns(
    members: Sequence[NDArray[np.bool_]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """What the members decide together.

    Returns:
        Decisions of each pattern that occurs, zeros and ones ``(M, P)``; how many voxels have it, ``(P,)``;
        pattern of each voxel, ``(V,)``.
    """
    flat = [mask.ravel() for mask in members]
    codes = np.zeros(flat[0].size, dtype=np.int64)
    for number, mask in enumerate(flat, start=1):
        codes = 2 * codes + mask
        if number % _BITS_AT_A_TIME == 0:  # renumbered from 0, so that any number of members fits
            codes = np.unique(codes, return_inverse=True)[1].reshape(-1)
    _, first, pattern_of_voxel, counts = np.unique(
        codes, return_index=True, return_inverse=True, return_counts=True
    )
    decisions = np.stack([mask[first] for mask in flat]).astype(np.float64)
    return decisions, counts.astype(np.float64), pattern_of_voxel.reshape(-1)


def _share(part: NDArray[np.float64], whole: float) -> NDArray[np.float64]:
    """Part of the whole; of nothing, nothing was done wrong."""
    return part / whole if whole > 0 else np.ones_like(part)


def _posterior(
    decisions: NDArray[np.float64],
    sensitivities: NDArray[np.float64],
    specificities: NDArray[np.float64],
    prior: float,
    former: NDArray[np.float64],
) -> NDArray[np.float64]:
    """How likely the voxels of each pattern are in, ``(P,)``; as before where neither is possible."""
    marked = decisions.astype(bool)
    if_in = np.where(marked, sensitivities[:, None], 1.0 - sensitivities[:, None]).prod(axis=0) * prior
    if_out = np.where(marked, 1.0 - specificities[:, None], specificities[:, None]).prod(axis=0)
    either = if_in + if_out * (1.0 - prior)
    return np.divide(if_in, either, out=former.copy(), where=either > 0)
