"""Choosing rules for the regions by the scores of out-of-fold cases, and what that gains on other cases.

A region's masks depend on its own rules and on those of the regions around it, within which it lies, and
on nothing else. So regions are chosen from the outermost inwards (WT, TC, ET): for each first the
threshold, for ET then the volume below which all of it becomes NCR, last the smallest component. Each is
what gives the region the highest mean score over the cases; the value that was configured stays unless
another one is better. A region whose rules were chosen is not looked at again for the sake of an inner one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brats3d.labels import ET, LabelConvention
from brats3d.metrics import Profile, describe
from brats3d.postprocessing import Postprocessing
from brats3d.workflows.out_of_fold import OutOfFoldCase

THRESHOLDS = tuple(tenths / 10 for tenths in range(1, 10))
MIN_COMPONENTS_ML = (0.0, 0.01, 0.05, 0.1, 0.5)
ET_TO_NCR_BELOW_ML = (0.0, 0.1, 0.2, 0.5, 1.0)


class CandidateScores:
    """Scores of regions under rules, each computed once.

    Args:
        read: Reads a case by its id.
        convention: Names the regions.
        metric: Name of the score, of which higher is better.
        profile: Rules of the scores.
    """

    def __init__(
        self, read: Callable[[str], OutOfFoldCase], convention: LabelConvention, metric: str, profile: Profile
    ) -> None:
        self.convention = convention
        self._read = read
        self._metric = metric
        self._profile = profile
        self._known: dict[tuple[object, ...], float] = {}

    def of(
        self, case_ids: Sequence[str], region: str, candidates: Sequence[Postprocessing]
    ) -> NDArray[np.float64]:
        """Return the scores of one region, ``(cases, candidates)``; NaN where undefined."""
        return np.array([self._of_case(case_id, region, candidates) for case_id in case_ids])

    def _of_case(self, case_id: str, region: str, candidates: Sequence[Postprocessing]) -> list[float]:
        keys = [(case_id, region, *self._decisive(region, rules)) for rules in candidates]
        case = None
        for key, rules in zip(keys, candidates, strict=True):
            if key not in self._known:
                case = case or self._read(case_id)
                scores = case.scores(
                    rules, self.convention, self._profile, only=(self._metric,), region=region
                )
                self._known[key] = scores.rows[0][self._metric]
        return [self._known[key] for key in keys]

    def _decisive(self, region: str, rules: Postprocessing) -> Iterator[object]:
        """Yield what of the rules decides the mask of a region: its own part, and that of those around it."""
        own = next(known for known in self.convention.regions if known.name == region)
        for known in self.convention.regions:
            if own.tissues <= known.tissues:
                yield rules.thresholds.get(known.name)
                yield rules.min_component_ml.get(known.name)
                yield rules.et_to_ncr_below_ml if known.name == ET.name else None


@dataclass(frozen=True)
class Selection:
    """Rules that were chosen, and what choosing them gains.

    Attributes:
        chosen: By all cases.
        by_fold: For each fold, by the cases of the other folds.
        regions: Names of the regions.
        configured: Score of each case and region with the rules that were configured, ``(cases, R)``.
        held_out: The same with the rules that the other folds chose.
    """

    chosen: Postprocessing
    by_fold: tuple[Postprocessing, ...]
    regions: tuple[str, ...]
    configured: NDArray[np.float64]
    held_out: NDArray[np.float64]

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the single scores as JSON content; gains with their statistics."""
        gains = self.held_out - self.configured
        return {
            "chosen": rules_as_dict(self.chosen),
            "chosen_without_fold": [rules_as_dict(rules) for rules in self.by_fold],
            "configured": describe(_means(self.configured)).as_dict(),
            "held_out": describe(_means(self.held_out)).as_dict(),
            "gain": describe(_means(gains)).as_dict(),
            "gain_by_region": {
                name: describe(gains[:, index].tolist()).as_dict() for index, name in enumerate(self.regions)
            },
        }


def select_rules(
    folds: Sequence[Sequence[str]], scores: CandidateScores, configured: Postprocessing
) -> Selection:
    """Choose rules by all cases; and once per fold without its cases, to tell what that gains on them.

    Args:
        folds: Case ids of each fold.
        scores: Scores of the cases.
        configured: Rules to compare with.
    """
    everyone = [case_id for fold in folds for case_id in fold]
    by_fold = tuple(
        choose([case_id for case_id in everyone if case_id not in set(fold)], scores, configured)
        for fold in folds
    )
    names = scores.convention.region_names

    def table(case_ids: Sequence[str], rules: Postprocessing) -> NDArray[np.float64]:
        return np.concatenate([scores.of(case_ids, name, [rules]) for name in names], axis=1)

    return Selection(
        choose(everyone, scores, configured),
        by_fold,
        names,
        table(everyone, configured),
        np.concatenate([table(fold, rules) for fold, rules in zip(folds, by_fold, strict=True)]),
    )


def choose(case_ids: Sequence[str], scores: CandidateScores, configured: Postprocessing) -> Postprocessing:
    """Choose rules by the mean scores of cases, from those that are configured on."""
    rules = configured
    for region in sorted(scores.convention.regions, key=lambda region: -len(region.tissues)):
        limits = (_other_limits,) if region.name == ET.name else ()
        for variants in (_other_thresholds, *limits, _other_sizes):
            candidates = [rules, *variants(rules, region.name)]
            means = _means(scores.of(case_ids, region.name, candidates).T)
            rules = candidates[int(np.argmax(np.nan_to_num(means, nan=-np.inf)))]
    return rules


def rules_as_dict(rules: Postprocessing) -> dict[str, Any]:
    """Return the rules as the section ``postprocess`` of a configuration."""
    return {
        "thresholds": dict(rules.thresholds),
        "min_component_ml": dict(rules.min_component_ml),
        "et_to_ncr_below_ml": rules.et_to_ncr_below_ml,
    }


def _other_thresholds(rules: Postprocessing, region: str) -> list[Postprocessing]:
    return [replace(rules, thresholds={**rules.thresholds, region: value}) for value in THRESHOLDS]


def _other_sizes(rules: Postprocessing, region: str) -> list[Postprocessing]:
    known = rules.min_component_ml
    return [replace(rules, min_component_ml={**known, region: value}) for value in MIN_COMPONENTS_ML]


def _other_limits(rules: Postprocessing, region: str) -> list[Postprocessing]:
    return [replace(rules, et_to_ncr_below_ml=value) for value in ET_TO_NCR_BELOW_ML]


def _means(table: NDArray[np.float64]) -> list[float]:
    """Mean of the defined values of each row; NaN where there is none."""
    return [describe(row.tolist(), resamples=1).mean for row in table]
