"""Fusion of masks and probabilities: votes, means, and STAPLE beside SimpleITK's."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from brats3d.errors import ConfigError
from brats3d.postprocessing.fusion import FUSIONS, shares
from brats3d.postprocessing.fusion.majority import majority
from brats3d.postprocessing.fusion.mean import mean
from brats3d.postprocessing.fusion.staple import estimate, staple

Masks = list[NDArray[np.bool_]]


def votes(*members: list[int]) -> Masks:
    return [np.array(member, dtype=bool) for member in members]


class TestShares:
    def test_they_add_up_to_one(self) -> None:
        assert shares((2, 1, 1), 3) == (0.5, 0.25, 0.25)

    def test_without_weights_all_count_the_same(self) -> None:
        assert shares((), 4) == (0.25,) * 4

    @pytest.mark.parametrize(
        "weights", [(1,), (1, 2, 3), (1, -1), (0, 0), (1, float("inf")), (1, float("nan"))]
    )
    def test_weights_that_do_not_fit(self, weights: tuple[float, ...]) -> None:
        with pytest.raises(ConfigError, match="2 non-negative numbers") as caught:
            shares(weights, 2)
        assert caught.value.where == "weights"
        assert caught.value.remedy


@pytest.mark.parametrize("name", FUSIONS)
class TestEveryMethod:
    def test_members_that_agree_are_followed(self, name: str) -> None:
        mask = np.zeros((5, 4, 3), dtype=bool)
        mask[1:3, 1:3, 1] = True
        fused = FUSIONS[name].fuse([mask] * 3, [1 / 3] * 3)
        assert fused.dtype == np.float64
        np.testing.assert_allclose(fused, mask, atol=1e-9)

    @pytest.mark.parametrize("value", [False, True])
    def test_nothing_and_everything(self, name: str, value: bool) -> None:
        fused = FUSIONS[name].fuse([np.full((2, 2, 2), value)] * 2, [0.5, 0.5])
        np.testing.assert_allclose(fused, float(value), atol=1e-9)

    def test_the_order_of_the_members_does_not_count(self, name: str) -> None:
        members = noisy_masks(truth_box(), seed=0)
        parts = [1 / len(members)] * len(members)
        forward, backward = (FUSIONS[name].fuse(order, parts) for order in (members, members[::-1]))
        np.testing.assert_allclose(forward, backward, atol=1e-6)


class TestMajority:
    def test_more_than_half_of_the_votes(self) -> None:
        members = votes([1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0])
        assert (majority(members, shares((), 3)) > 0.5).tolist() == [True, True, False, False]

    @pytest.mark.parametrize("weights", [(1, 1), (0.1, 0.1), (7, 7)])
    def test_a_tie_is_out(self, weights: tuple[float, ...]) -> None:
        assert not (majority(votes([1, 0], [0, 1]), shares(weights, 2)) > 0.5).any()

    @pytest.mark.parametrize(
        "weights", [(0.1, 0.2, 0.3), (0.3, 0.3, 0.6), (1 / 3, 1 / 6, 1 / 2), (49, 51, 100)]
    )
    def test_a_tie_of_fractions_is_out(self, weights: tuple[float, ...]) -> None:
        members = votes([1, 0], [1, 0], [0, 1])
        assert not (majority(members, shares(weights, 3)) > 0.5).any()

    def test_weights_turn_the_vote(self) -> None:
        members = votes([1, 0], [0, 1], [0, 1])
        assert (majority(members, shares((5, 2, 2), 3)) > 0.5).tolist() == [True, False]

    def test_regions_within_each_other_stay_so(self) -> None:
        drawn = np.random.default_rng(0)
        nested = [np.sort(drawn.random((3, 6, 6, 6)) < 0.7, axis=0) for _ in range(5)]  # ET, TC, WT
        fused = [majority([member[region] for member in nested], shares((), 5)) > 0.5 for region in range(3)]
        assert fused[0].any()
        assert all((inner <= outer).all() for inner, outer in pairwise(fused))


def test_mean_with_weights() -> None:
    members = [np.array([0.2, 0.9], dtype=np.float32), np.array([1.0, 0.1], dtype=np.float32)]
    np.testing.assert_allclose(mean(members, shares((3, 1), 2)), [0.4, 0.7], atol=1e-7)


def truth_box() -> NDArray[np.bool_]:
    truth = np.zeros((18, 16, 14), dtype=bool)
    truth[4:13, 3:12, 4:11] = True
    return truth


def noisy_masks(truth: NDArray[np.bool_], seed: int) -> Masks:
    """Members that miss and add voxels here and there, each with rates of its own."""
    drawn = np.random.default_rng(seed)
    rates = ((0.95, 0.98), (0.8, 0.9), (0.7, 0.99), (0.99, 0.75), (0.9, 0.95))
    return [drawn.random(truth.shape) < np.where(truth, hit, 1 - rejected) for hit, rejected in rates]


def tumours(seed: int) -> Masks:
    """Blobs that differ at their borders, as segmentations of a tumour do."""
    drawn = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*map(np.arange, (28, 30, 26)), indexing="ij")).astype(float)
    made = []
    for _ in range(4):
        centre = np.array([14, 15, 13]) + drawn.normal(0, 1.0, 3)
        radii = np.array([8, 6, 7]) * drawn.uniform(0.8, 1.2, 3)
        distance = np.sqrt((((grid.T - centre) / radii) ** 2).sum(axis=-1)).T
        made.append(distance + 0.1 * np.sin(grid[0] + drawn.uniform(0, 6)) < 1)
    return made


def by_simpleitk(members: Masks) -> tuple[NDArray[np.float64], list[float], list[float]]:
    filter_ = sitk.STAPLEImageFilter()
    filter_.SetForegroundValue(1)
    images = [sitk.GetImageFromArray(member.astype(np.uint8)) for member in members]
    fused = sitk.GetArrayFromImage(filter_.Execute(images))
    return fused, list(filter_.GetSensitivity()), list(filter_.GetSpecificity())


class TestStaple:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("kind", ["noise", "tumours"])
    def test_as_simpleitk(self, kind: str, seed: int) -> None:
        members = tumours(seed) if kind == "tumours" else noisy_masks(truth_box(), seed)
        assert any((a != b).any() for a, b in pairwise(members))
        found = estimate(members)
        expected, sensitivities, specificities = by_simpleitk(members)
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-3)
        np.testing.assert_allclose(found.sensitivities, sensitivities, atol=1e-3)
        np.testing.assert_allclose(found.specificities, specificities, atol=1e-3)
        np.testing.assert_array_equal(found.probabilities > 0.5, expected > 0.5)

    def test_the_truth_comes_out(self) -> None:
        found = estimate(noisy_masks(truth_box(), seed=1))
        assert ((found.probabilities > 0.5) == truth_box()).mean() > 0.98
        np.testing.assert_allclose(found.sensitivities, [0.95, 0.8, 0.7, 0.99, 0.9], atol=0.06)
        np.testing.assert_allclose(found.specificities, [0.98, 0.9, 0.99, 0.75, 0.95], atol=0.03)

    def test_good_members_outvote_bad_ones(self) -> None:
        """Four members that guess are heard less than three that are mostly right."""
        truth, drawn = truth_box(), np.random.default_rng(3)
        good = [np.where(drawn.random(truth.shape) < 0.03, ~truth, truth) for _ in range(3)]
        bad = [np.where(drawn.random(truth.shape) < 0.45, ~truth, truth) for _ in range(4)]
        members = [*good, *bad]
        staple_wrong, majority_wrong = (
            ((method(members, [1 / 7] * 7) > 0.5) != truth).mean() for method in (staple, majority)
        )
        assert staple_wrong < majority_wrong / 2

    @pytest.mark.parametrize(("both", "one", "none"), [(1, 1, 2), (3, 2, 5), (10, 40, 200)])
    def test_two_members_within_each_other_by_hand(self, both: int, one: int, none: int) -> None:
        """A marks a voxels, B these and b others, neither the remaining c; the prior is g = (2a + b) / 2N.

        With w for the b voxels in doubt: A finds a / (a + bw), B all; A leaves out all, B c / (c + b(1 - w)).
        Bayes' rule for these voxels, w = g bw/(a + bw) / (g bw/(a + bw) + (1 - g) b(1 - w)/(c + b(1 - w))),
        leaves w = 1 or (1 - g)(a + bw) = g(c + b - bw), which is bw = gN - a = b/2.
        """
        found = estimate(votes([1] * both + [0] * (one + none), [1] * (both + one) + [0] * none))
        expected = [1.0] * both + [0.5] * one + [0.0] * none
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
        np.testing.assert_allclose(found.sensitivities, [both / (both + one / 2), 1], atol=1e-6)
        np.testing.assert_allclose(found.specificities, [1, none / (none + one / 2)], atol=1e-6)

    @pytest.mark.parametrize("one", [1, 3, 7, 40])
    def test_a_tie_is_out(self, one: int) -> None:
        fused = staple(votes([1] * 5 + [0] * (one + 11), [1] * (5 + one) + [0] * 11), [0.5, 0.5])
        assert (fused > 0.5).sum() == 5

    def test_two_against_one_by_hand(self) -> None:
        """As above with a = b = 1, c = 2 and A twice, so g = 1/3.

        w = w^2/(1 + w)^2 / (w^2/(1 + w)^2 + 2(1 - w)/(3 - w)) has the solutions 0 and 1 alone (else
        3w^2 + w + 2 = 0), and from the votes, w = 1/3, the first step leads to 1/9: towards 0.
        """
        found = estimate(votes([1, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]))
        np.testing.assert_allclose(found.probabilities, [1, 0, 0, 0], atol=1e-6)
        np.testing.assert_allclose(found.sensitivities, [1, 1, 1], atol=1e-6)
        np.testing.assert_allclose(found.specificities, [1, 1, 2 / 3], atol=1e-6)

    def test_many_members(self) -> None:
        """More than fit into one whole number."""
        members = noisy_masks(truth_box(), seed=2) * 14
        drawn = np.random.default_rng(0)
        members = [member ^ (drawn.random(member.shape) < 0.05) for member in members]
        found = estimate(members)
        assert len(found.sensitivities) == 70
        np.testing.assert_array_equal(found.probabilities > 0.5, by_simpleitk(members)[0] > 0.5)

    def test_alike_voxels_are_treated_alike(self) -> None:
        members = tumours(0)
        fused = staple(members, [0.25] * 4)
        codes = sum(member.astype(int) << place for place, member in enumerate(members))
        for code in np.unique(codes):
            assert np.ptp(fused[codes == code]) == 0
