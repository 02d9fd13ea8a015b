# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Ensembles: the mean of what several segmenters say."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from scripts.core.errors import ConfigError
from scripts.core.inference.progress import part
from scripts.core.inference.segmenter import Segmenter


class EnsembleSegmenter:
    """Mean of the probabilities of several segmenters, which run one after the other.

    Args:
        segmenters: Members that agree on modalities and regions; they may differ in anything else.
        weights: One non-negative weight for each member; by default all weigh the same.

    Raises:
        ConfigError: No members, or weights that do not fit them.
    """

    def __init__(self, segmenters: Sequence[Segmenter], weights: Sequence[float] | None = None) -> None:
        self.segmenters = tuple(segmenters)
        if not self.segmenters:
            raise ConfigError("an ensemble without members", expected="at least one run to predict with")
        given = [1.0] * len(self.segmenters) if weights is None else [float(weight) for weight in weights]
        valid = len(given) == len(self.segmenters) and all(weight >= 0 for weight in given)
        if not valid or not 0 < sum(given) < float("inf"):
            raise ConfigError(
                "weights that do not fit the ensemble",
                got=given,
                expected=f"{len(self.segmenters)} non-negative numbers, not all zero",
            )
        self.weights = tuple(weight / sum(given) for weight in given)

    def segment(self, image: Tensor) -> Tensor:
        """Weighted mean of the members' probabilities; see :meth:`Segmenter.segment`."""
        total: Tensor | None = None
        for number, (segmenter, weight) in enumerate(zip(self.segmenters, self.weights, strict=True)):
            if weight == 0:
                continue
            with part(number, number + 1, of=len(self.segmenters)):
                probabilities = segmenter.segment(image)
            if total is None:
                total = probabilities * weight
            else:
                assert total.shape == probabilities.shape, (total.shape, probabilities.shape)
                total.add_(probabilities, alpha=weight)
        assert total is not None
        return total
