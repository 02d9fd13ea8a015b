# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Models ranked case by case as the BraTS challenge ranks."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from scripts.core.metrics.paired_tables import PairedScores

TIE = 1e-9
"""Scores that differ by no more than this are equal."""


def score_difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Second less first: 0 for equal scores, infinite ones too, and NaN where either is."""
    with np.errstate(invalid="ignore"):
        difference = second - first
    return np.where((first == second) | (np.abs(difference) <= TIE), 0.0, difference)


def case_ranks(scores: PairedScores) -> NDArray[np.float64]:
    """Rank the models per case, region and metric, and average within each case.

    Ties share their mean rank and undefined scores rank last (Bakas et al. 2018, arXiv:1811.02629).

    Returns:
        ``(models, cases)``, 1 for a model that is best by everything.
    """
    costs = scores.values * np.where(list(scores.metrics.values()), -1.0, 1.0)
    undefined = np.isnan(costs).astype(np.float64)
    ranks = np.ones_like(costs)
    for first, second in itertools.combinations(range(len(costs)), 2):
        difference = score_difference(costs[first], costs[second])
        advantage = np.where(np.isnan(difference), undefined[second] - undefined[first], np.sign(difference))
        ranks[first] += (1 - advantage) / 2
        ranks[second] += (1 + advantage) / 2
    place = {case_id: index for index, case_id in enumerate(scores.cases)}
    cases = np.array([place[case_id] for case_id, _ in scores.keys])
    # Sums of half ranks are exact, so that equal models come out equal.
    numbers = np.bincount(cases) * len(scores.metrics)
    return np.stack([np.bincount(cases, own.sum(axis=1)) / numbers for own in ranks])
