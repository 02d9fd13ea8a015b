"""Losses against their published formulas, written here in NumPy voxel by voxel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from brats3d.errors import ConfigError
from brats3d.losses import build_loss
from brats3d.losses.distances import _by_passes, distances_to_boundary

SHAPE = (2, 3, 5, 4, 6)
HEADS = ("sigmoid", "softmax")
NEW = ("unified_focal", "symmetric_unified_focal", "matthews", "boundary")
Array = NDArray[np.float64]


def problem(head: str, seed: int = 0, shape: tuple[int, ...] = SHAPE) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(shape, generator=generator)
    if head == "sigmoid":
        return logits, (torch.rand(shape, generator=generator) < 0.3).float()
    classes = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    return logits, nn.functional.one_hot(classes, shape[1]).movedim(-1, 1).float()


def probabilities(head: str, logits: Tensor) -> Array:
    x = logits.double().numpy()
    if head == "sigmoid":
        return 1 / (1 + np.exp(-x))
    powers = np.exp(x)
    return powers / powers.sum(axis=1, keepdims=True)


def by_class(array: Array) -> Array:
    """``(B, C, *S)`` to ``(C, voxels of the batch)``."""
    return np.moveaxis(array, 1, 0).reshape(array.shape[1], -1)


def tversky(p: Array, t: Array, delta: float) -> float:
    found, missed, added = (p * t).sum(), ((1 - p) * t).sum(), (p * (1 - t)).sum()
    return 1 - found / (found + delta * missed + (1 - delta) * added)


def unified(p: Array, t: Array, *, asymmetric: bool, weight: float, delta: float, gamma: float) -> float:
    """Yeung et al. 2022 for classes ``(C, V)``, of which the first is the common one."""
    entropies, overlaps = [], []
    for c in range(len(p)):
        rare = c > 0
        truth = p[c][t[c] == 1]
        focus = np.ones_like(truth) if asymmetric and rare else (1 - truth) ** gamma
        entropies.append((delta if rare else 1 - delta) * (-focus * np.log(truth)).sum())
        loss = tversky(p[c], t[c], delta)
        overlaps.append(loss if asymmetric and not rare else loss ** (1 - gamma))
    return weight * sum(entropies) / p.shape[1] + (1 - weight) * float(np.mean(overlaps))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ["unified_focal", "symmetric_unified_focal"])
@pytest.mark.parametrize("params", [{}, {"weight": 0.3, "delta": 0.8, "gamma": 0.2}])
def test_unified_focal(name: str, head: str, params: dict[str, float]) -> None:
    logits, target = problem(head)
    p, t = by_class(probabilities(head, logits)), by_class(target.double().numpy())
    chosen = {"weight": 0.5, "delta": 0.6, "gamma": 0.5, **params, "asymmetric": name == "unified_focal"}
    if head == "softmax":
        expected = unified(p, t, **chosen)
    else:
        channels = [np.stack([1 - p[c], p[c]]) for c in range(len(p))]
        truths = [np.stack([1 - t[c], t[c]]) for c in range(len(p))]
        expected = np.mean([unified(*pair, **chosen) for pair in zip(channels, truths, strict=True)])
    found = build_loss(name, head=head, params=params)(logits, target)
    assert found.item() == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("head", HEADS)
def test_unified_focal_without_focus(head: str) -> None:
    """With gamma 0 and delta 1/2 nothing is asymmetric: half of the cross-entropy, and Dice."""
    logits, target = problem(head)
    made = [
        build_loss(name, head=head, params={"gamma": 0, "delta": 0.5, "weight": 1})(logits, target)
        for name in ("unified_focal", "symmetric_unified_focal")
    ]
    entropy = build_loss("cross_entropy", head=head, params={})(logits, target)
    assert made[0].item() == pytest.approx(made[1].item(), rel=1e-6)
    assert made[0].item() == pytest.approx(entropy.item() / 2, rel=1e-5)
    if head == "softmax":
        overlap = build_loss("unified_focal", head=head, params={"gamma": 0, "delta": 0.5, "weight": 0})
        dice = build_loss("dice", head=head, params={"include_background": True})
        assert overlap(logits, target).item() == pytest.approx(dice(logits, target).item(), rel=1e-5)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("batch", [True, False])
def test_matthews(head: str, batch: bool) -> None:
    logits, target = problem(head)
    p, t = probabilities(head, logits), target.double().numpy()
    first = int(head == "softmax")
    images = [(p, t)] if batch else [(p[b : b + 1], t[b : b + 1]) for b in range(len(p))]
    losses = []
    for found, truth in images:
        for q, r in zip(by_class(found)[first:], by_class(truth)[first:], strict=True):
            tp, fp, fn, tn = (
                (q * r).sum(),
                (q * (1 - r)).sum(),
                ((1 - q) * r).sum(),
                ((1 - q) * (1 - r)).sum(),
            )
            root = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
            losses.append(1 - (tp * tn - fp * fn) / root)
    loss = build_loss("matthews", head=head, params={"batch_dice": batch})
    assert loss(logits, target).item() == pytest.approx(np.mean(losses), abs=2e-5)


def test_matthews_of_the_opposite_is_two() -> None:
    _, target = problem("sigmoid")
    loss = build_loss("matthews", head="sigmoid", params={})
    assert loss(30 * (1 - 2 * target), target).item() == pytest.approx(2, abs=1e-4)


def nearest_other(mask: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> Array:
    """Distances between voxels, all of them."""
    places = np.argwhere(np.ones_like(mask)) * np.array(spacing_mm)
    flat = mask.ravel()
    if flat.all() or not flat.any():
        return np.zeros(mask.shape)
    ways = np.linalg.norm(places[:, None] - places[None], axis=-1)
    ways[flat[:, None] == flat[None]] = np.inf
    return ways.min(axis=1).reshape(mask.shape)


@pytest.mark.parametrize("shape", [(5, 4, 6), (7, 5)])
@pytest.mark.parametrize("step", [1.0, 2.5])
def test_distances_by_both_ways(shape: tuple[int, ...], step: float) -> None:
    spacing = (1.0, 0.5, step)[-len(shape) :]
    masks = torch.rand((3, 2, *shape), generator=torch.Generator().manual_seed(1)) < 0.15
    masks[0, 0], masks[1, 1] = False, True
    expected = np.stack([[nearest_other(mask.numpy(), spacing) for mask in sample] for sample in masks])
    for found in (distances_to_boundary(masks, spacing), _by_passes(masks, spacing)):
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_boundary_is_the_published_loss_but_for_a_constant(head: str) -> None:
    spacing = (1.0, 2.0, 0.5)
    logits, target = problem(head)
    p, t, first = probabilities(head, logits), target.numpy() == 1, int(head == "softmax")
    signed = np.stack([[nearest_other(mask, spacing) * (1 - 2 * mask) for mask in sample] for sample in t])
    published = (signed * p)[:, first:].mean() - (signed * t)[:, first:].mean()
    loss = build_loss("boundary", head=head, params={"spacing_mm": spacing})
    assert loss(logits, target).item() == pytest.approx(published, rel=1e-5)


def test_boundary_needs_one_spacing_for_each_axis() -> None:
    loss = build_loss("boundary", head="sigmoid", params={"spacing_mm": [1, 1]})
    with pytest.raises(ConfigError, match=r"loss\.params\.spacing_mm"):
        loss(*problem("sigmoid"))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", NEW)
class TestGradients:
    def test_in_double_precision(self, name: str, head: str) -> None:
        logits, target = problem(head, 3, (2, 3, 3, 2, 2))
        loss = build_loss(name, head=head, params={"weights": [1.0, 2.0, 0.5]}).double()
        logits = logits.double().requires_grad_()
        assert torch.autograd.gradcheck(lambda x: loss.compute(x, target.double()), (logits,))

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    @pytest.mark.parametrize("scale", [0, 1, 30, 2000])
    def test_are_finite_in_reduced_precision(
        self, name: str, head: str, dtype: torch.dtype, scale: float
    ) -> None:
        for target in (problem(head)[1], torch.zeros(SHAPE), torch.ones(SHAPE)):
            if head == "softmax" and target.sum(dim=1).max() != 1:
                target = torch.zeros(SHAPE)
                target[:, 0] = 1
            for sign in (1, -1):
                logits = (scale * sign * (2 * target - 1)).to(dtype).requires_grad_()
                with torch.autocast("cpu", torch.bfloat16):
                    loss = build_loss(name, head=head, params={})(logits, target)
                loss.backward()
                assert torch.isfinite(loss)
                assert torch.isfinite(logits.grad).all()


class TestCompound:
    def test_is_the_weighted_sum_of_its_terms(self) -> None:
        logits, target = problem("softmax")
        spaced = {"spacing_mm": [1.0, 1.0, 3.0]}
        terms = {"dice": 2.0, "boundary": {"factor": 0.1, **spaced}, "focal": {"gamma": 1.0}}
        found = build_loss("compound", head="softmax", params={"terms": terms})(logits, target)
        parts = [("dice", {}, 2.0), ("boundary", spaced, 0.1), ("focal", {"gamma": 1.0}, 1.0)]
        expected = sum(f * build_loss(n, head="softmax", params=p)(logits, target) for n, p, f in parts)
        torch.testing.assert_close(found, expected)

    def test_weights_are_those_of_every_term_without_its_own(self) -> None:
        logits, target = problem("sigmoid")
        shared, own = [1.0, 2.0, 0.0], [0.0, 1.0, 0.0]
        terms = {"dice": {"weights": own}, "cross_entropy": 1.0, "generalized_dice": 1.0}
        loss = build_loss("compound", head="sigmoid", params={"terms": terms, "weights": shared})
        parts = {"dice": {"weights": own}, "cross_entropy": {"weights": shared}, "generalized_dice": {}}
        expected = sum(build_loss(n, head="sigmoid", params=p)(logits, target) for n, p in parts.items())
        torch.testing.assert_close(loss(logits, target), expected)

    @pytest.mark.parametrize(
        ("terms", "where"),
        [
            ({"dise": 1}, "loss.params.terms"),
            ({"compound": 1}, "loss.params.terms"),
            ({"dice": {"smoth": 1}}, "loss.params.terms.dice.smoth"),
            ({"dice": {"smooth": -1}}, "loss.params.terms.dice.smooth"),
            ({"dice": {"weights": [-1]}}, "loss.params.terms.dice.weights"),
            ({"dice": "much"}, "loss.params.terms.dice"),
            (["dice"], "loss.params.terms"),
        ],
    )
    def test_what_cannot_work_is_named(self, terms: Any, where: str) -> None:
        with pytest.raises(ConfigError) as caught:
            build_loss("compound", head="sigmoid", params={"terms": terms})
        assert caught.value.where == where
