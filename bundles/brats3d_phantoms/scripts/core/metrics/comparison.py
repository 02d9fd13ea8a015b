# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Models compared case by case from their tables: differences, wins, and the ranking of BraTS."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.core.metrics.metric import Metric
from scripts.core.metrics.paired_tables import LeftOut, PairedScores, list_left_out, pair_tables
from scripts.core.metrics.ranking import TIE, case_ranks, score_difference
from scripts.core.metrics.region_table import RegionRow
from scripts.core.metrics.significance import EXACT_PAIRS, SWAPS, holm, signed_rank_p, swap_p
from scripts.core.metrics.statistics import Statistics, describe
from scripts.core.metrics.text_table import lay_out
from scripts.core.version import __version__

DEFAULT_METRICS: Mapping[str, bool] = MappingProxyType({"dice": True, "hd95_mm": False})
"""What BraTS ranks by, and whether higher is better."""

_DIFFERENCE_COLUMNS = (
    *("Region", "metric", "pairs", "undefined", "median", "mean [95 %]"),
    *("A wins", "ties", "B wins", "p", "p Holm"),
)
_DEFINITIONS = {
    "difference": "score of the second model less that of the first, per case; equal infinities differ by 0",
    "undefined": "cases with an undefined score of either model; the ranking alone counts them",
    "ci95": "bootstrap percentile interval of the mean difference",
    "wins": f"cases in which the first model is better by more than {TIE:g}; losses: the second model is",
    "p": f"Wilcoxon signed-rank test, two-sided, zeros dropped; exact up to {EXACT_PAIRS} differences",
    "p_holm": "p adjusted for the number of tests of its list (Holm)",
    "mean_rank": "rank per case, region and metric (ties share a mean rank, undefined scores rank last), "
    "averaged within each case, then over the cases; lower is better",
    "rank_p": f"permutation test, two-sided, swapping two models case by case; at most {SWAPS} swaps",
}


@dataclass(frozen=True)
class ScoreDifference:
    """Two models in one region by one metric.

    Attributes:
        region: Region name.
        metric: Metric.
        difference: Score of the second model less that of the first; ``n`` counts the pairs, ``undefined``
            those with an undefined score on either side.
        wins: Pairs in which the first model is better.
        ties: Pairs with equal scores.
        losses: Pairs in which the second model is better.
        p: Two-sided Wilcoxon signed-rank test; 1 without any difference, NaN without pairs.
        p_holm: ``p`` adjusted for all regions and metrics compared.
    """

    region: str
    metric: str
    difference: Statistics
    wins: int
    ties: int
    losses: int
    p: float
    p_holm: float


@dataclass(frozen=True)
class ModelRank:
    """Final score of a model in the ranking.

    Attributes:
        model: Name.
        mean_rank: Mean over the cases of its mean rank over regions and metrics; 1 is best.
    """

    model: str
    mean_rank: float


@dataclass(frozen=True)
class RankDifference:
    """Two models in the ranking.

    Attributes:
        first: A model.
        second: Another model.
        difference: Mean rank of the second less that of the first.
        p: Two-sided permutation test.
        p_holm: ``p`` adjusted for all pairs of models.
    """

    first: str
    second: str
    difference: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class Comparison:
    """Models compared on the same cases.

    Attributes:
        models: Names, in the order given.
        metrics: Metric to whether higher is better.
        regions: Regions compared.
        cases: Number of cases compared.
        differences: One per region and metric, for exactly two models; else empty.
        ranking: The models, best first.
        rank_differences: One per pair of models.
        left_out: Rows that not every table has.
    """

    models: tuple[str, ...]
    metrics: Mapping[str, bool]
    regions: tuple[str, ...]
    cases: int
    differences: tuple[ScoreDifference, ...]
    ranking: tuple[ModelRank, ...]
    rank_differences: tuple[RankDifference, ...]
    left_out: tuple[LeftOut, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return everything, with the version and definitions, as JSON content."""
        return {
            "brats3d": __version__,
            "definitions": dict(_DEFINITIONS),
            "models": list(self.models),
            "higher_is_better": dict(self.metrics),
            "regions": list(self.regions),
            "cases": self.cases,
            "differences": [asdict(own) for own in self.differences],
            "ranking": [asdict(own) for own in self.ranking],
            "rank_differences": [asdict(own) for own in self.rank_differences],
            "left_out": [{**asdict(own), "missing_from": list(own.missing_from)} for own in self.left_out],
        }


def compare(
    tables: Mapping[str, Sequence[RegionRow]],
    *,
    metrics: Sequence[Metric] | Mapping[str, bool] = DEFAULT_METRICS,
    common_only: bool = False,
) -> Comparison:
    """Compare models case by case.

    The models are ranked as BraTS ranks (Bakas et al. 2018, arXiv:1811.02629): per case, region and
    metric; ranks averaged within the case, then over the cases. Two models are also compared score by
    score. No figure depends on the order of the rows, and the same tables give the same figures.

    Args:
        tables: Model to its table.
        metrics: Metrics, or their names and whether higher is better.
        common_only: Leave out the rows that not every table has, and list them, instead of an error.

    Raises:
        ConfigError: Fewer than two models, no metric, or one without better and worse.
        DataError: Rows that not every table has, rows that occur twice, or a metric that a row lacks.
    """
    scores = pair_tables(tables, metrics, common_only=common_only)
    ranks = case_ranks(scores)
    mean_ranks = dict(zip(scores.models, (math.fsum(own) / len(own) for own in ranks), strict=True))
    best_first = sorted(scores.models, key=mean_ranks.__getitem__)
    return Comparison(
        models=scores.models,
        metrics=scores.metrics,
        regions=scores.regions,
        cases=len(scores.cases),
        differences=_score_differences(scores) if len(tables) == 2 else (),
        ranking=tuple(ModelRank(model, mean_ranks[model]) for model in best_first),
        rank_differences=_rank_differences(mean_ranks, ranks),
        left_out=scores.left_out,
    )


def _score_differences(scores: PairedScores) -> tuple[ScoreDifference, ...]:
    difference = score_difference(*scores.values)
    regions = np.array([region for _, region in scores.keys])
    p_values, found = [], []
    for region in scores.regions:
        for column, (metric, higher_is_better) in enumerate(scores.metrics.items()):
            own = difference[regions == region, column]
            defined = own[~np.isnan(own)]
            # On paper 0.3 - 0.2 and 0.2 - 0.1 are equal.
            p_values.append(signed_rank_p(np.round(defined, 9)))
            second_better = defined > 0 if higher_is_better else defined < 0
            ties, losses = int((defined == 0).sum()), int(second_better.sum())
            found.append((region, metric, describe(own.tolist()), len(defined) - ties - losses, ties, losses))
    adjusted = holm(p_values)
    return tuple(
        ScoreDifference(*own, p, p_holm) for own, p, p_holm in zip(found, p_values, adjusted, strict=True)
    )


def _rank_differences(
    mean_ranks: Mapping[str, float], ranks: NDArray[np.float64]
) -> tuple[RankDifference, ...]:
    models = list(mean_ranks)
    pairs = list(itertools.combinations(range(len(models)), 2))
    differences = np.stack([ranks[second] - ranks[first] for first, second in pairs], axis=1)
    p_values = swap_p(differences).tolist()
    found = []
    for (i, j), p, p_holm in zip(pairs, p_values, holm(p_values), strict=True):
        first, second = models[i], models[j]
        found.append(RankDifference(first, second, mean_ranks[second] - mean_ranks[first], p, p_holm))
    return tuple(found)


def format_comparison(comparison: Comparison) -> str:
    """Lay out a comparison as plain text: differences of two models, the ranking, what was left out."""
    parts = []
    if comparison.differences:
        first, second = comparison.models
        parts.append(
            f"A = {first}, B = {second}: {comparison.cases} cases, differences B - A\n\n"
            + lay_out(
                _DIFFERENCE_COLUMNS,
                [_difference_cells(own) for own in comparison.differences],
                left=2,
            )
        )
    parts.append(
        lay_out(("Ranking", "mean rank"), [(own.model, f"{own.mean_rank:.3f}") for own in comparison.ranking])
    )
    parts.append(
        lay_out(
            ("Model", "against", "difference of mean ranks", "p", "p Holm"),
            [
                (own.second, own.first, _signed(own.difference, 3), _p(own.p), _p(own.p_holm))
                for own in comparison.rank_differences
            ],
            left=2,
        )
    )
    if comparison.left_out:
        parts.append(f"Left out: {list_left_out(comparison.left_out)}")
    return "\n\n".join(parts)


def _difference_cells(own: ScoreDifference) -> tuple[str, ...]:
    statistics = own.difference
    digits = 2 if own.metric.endswith(("_mm", "_ml")) else 3
    mean, low, high = (
        _signed(value, digits) for value in (statistics.mean, statistics.ci95_low, statistics.ci95_high)
    )
    return (
        own.region,
        own.metric,
        str(statistics.n),
        str(statistics.undefined),
        _signed(statistics.median, digits),
        f"{mean} [{low}, {high}]" if statistics.n > 1 else mean,
        str(own.wins),
        str(own.ties),
        str(own.losses),
        _p(own.p),
        _p(own.p_holm),
    )


def _signed(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{round(value, digits) + 0.0:+.{digits}f}"


def _p(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "<0.001" if value < 0.001 else f"{value:.3f}"
