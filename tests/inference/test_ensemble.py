"""Means of several segmenters."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from brats3d.errors import ConfigError
from brats3d.inference import EnsembleSegmenter, Segmenter


class Constant:
    def __init__(self, value: float) -> None:
        self.value = value
        self.calls = 0

    def segment(self, image: Tensor) -> Tensor:
        self.calls += 1
        return torch.full((3, *image.shape[1:]), self.value)


IMAGE = torch.zeros(4, 2, 3, 4)


def value(ensemble: EnsembleSegmenter) -> float:
    result = ensemble.segment(IMAGE)
    assert result.shape == (3, 2, 3, 4)
    assert result.dtype == torch.float32
    assert result.min() == result.max()
    return result[0, 0, 0, 0].item()


def test_mean_of_the_members():
    assert value(EnsembleSegmenter([Constant(0.2), Constant(0.4), Constant(0.9)])) == pytest.approx(0.5)


def test_weighted_mean():
    assert value(EnsembleSegmenter([Constant(0.2), Constant(1.0)], weights=[3, 1])) == pytest.approx(0.4)


def test_member_without_weight_does_not_run():
    idle = Constant(1.0)
    assert value(EnsembleSegmenter([idle, Constant(0.3)], weights=[0, 2])) == pytest.approx(0.3)
    assert idle.calls == 0


def test_members_keep_their_results():
    kept = torch.rand(3, 2, 3, 4)

    class Keeper:
        def segment(self, image: Tensor) -> Tensor:
            return kept

    before = kept.clone()
    EnsembleSegmenter([Keeper(), Keeper()]).segment(IMAGE)
    assert torch.equal(kept, before)


def test_ensembles_nest():
    inner = EnsembleSegmenter([Constant(0.0), Constant(1.0)])
    assert isinstance(inner, Segmenter)
    assert value(EnsembleSegmenter([inner, Constant(1.0)])) == pytest.approx(0.75)


@pytest.mark.parametrize("weights", [[1], [1, -1], [0, 0], [1, math.inf], [1, math.nan]])
def test_weights_that_do_not_fit(weights: list[float]):
    with pytest.raises(ConfigError, match="2 non-negative numbers"):
        EnsembleSegmenter([Constant(0), Constant(1)], weights=weights)


def test_no_members():
    with pytest.raises(ConfigError, match="without members"):
        EnsembleSegmenter([])
