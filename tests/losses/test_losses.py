"""Every loss of the registry, with both heads, passes the same tests; then each against known values."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from brats3d.errors import ConfigError
from brats3d.losses import LOSSES, build_loss

HEADS = ("sigmoid", "softmax")
OVERLAP = ("dice", "tversky", "focal_tversky", "generalized_dice", "matthews")
VOXELWISE = ("cross_entropy", "focal", "boundary", "compound")
LARGEST = {"dice": 1, "tversky": 1, "focal_tversky": 1, "generalized_dice": 1, "matthews": 2}
WEIGHTED = [name for name in LOSSES if name != "generalized_dice"]  # that one weights by volume
CERTAIN = 20.0


def make(name: str, head: str, **params: Any) -> nn.Module:
    return build_loss(name, head=head, params=params)


def random_target(head: str, seed: int, shape: tuple[int, ...] = (2, 4, 4, 3, 5)) -> Tensor:
    """Zeros and ones with every channel present: one-hot for softmax, overlapping for sigmoid."""
    generator = torch.Generator().manual_seed(seed)
    if head == "sigmoid":
        return torch.randint(0, 2, shape, generator=generator).float()
    classes = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    return nn.functional.one_hot(classes, shape[1]).movedim(-1, 1).float()


def random_logits(seed: int, shape: tuple[int, ...] = (2, 4, 4, 3, 5)) -> Tensor:
    return 2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def certain(target: Tensor) -> Tensor:
    return CERTAIN * (2 * target - 1)


def empty(head: str, shape: tuple[int, ...] = (2, 4, 4, 3, 5)) -> Tensor:
    """A target without foreground."""
    target = torch.zeros(shape)
    if head == "softmax":
        target[:, 0] = 1
    return target


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", LOSSES)
class TestEveryLoss:
    @pytest.mark.parametrize("shape", [(2, 4, 6, 5), (3, 4, 4, 3, 5)])
    def test_is_a_float32_scalar_in_two_and_three_dimensions(
        self, name: str, head: str, shape: tuple[int, ...]
    ) -> None:
        loss = make(name, head)(random_logits(0, shape), random_target(head, 1, shape))
        assert loss.shape == ()
        assert loss.dtype == torch.float32

    def test_perfect_prediction_costs_nothing(self, name: str, head: str) -> None:
        target = random_target(head, 0)
        assert make(name, head)(certain(target), target).item() == pytest.approx(0, abs=1e-4)

    def test_perfectly_empty_prediction_of_an_empty_target_costs_nothing(self, name: str, head: str) -> None:
        logits = 2 * certain(empty(head))
        assert make(name, head)(logits, empty(head)).item() == pytest.approx(0, abs=1e-3)

    def test_better_predictions_cost_less(self, name: str, head: str) -> None:
        target = random_target(head, 0)
        loss = make(name, head)
        costs = [loss(scale * (2 * target - 1), target).item() for scale in (-4, -1, 0, 1, 4)]
        assert costs == sorted(costs, reverse=True)
        assert costs[0] > costs[-1]

    @given(seed=st.integers(0, 2**31), scale=st.floats(0, 30), sparse=st.booleans())
    @settings(deadline=None, max_examples=20)
    def test_is_finite_and_within_bounds(
        self, name: str, head: str, seed: int, scale: float, sparse: bool
    ) -> None:
        target = empty(head) if sparse else random_target(head, seed)
        loss = make(name, head)(scale * random_logits(seed + 1), target).item()
        assert math.isfinite(loss)
        assert loss >= -1e-6
        assert loss <= LARGEST.get(name, math.inf) + 1e-6

    def test_does_not_depend_on_the_place_of_a_voxel(self, name: str, head: str) -> None:
        logits, target = random_logits(0), random_target(head, 1)
        order = torch.randperm(logits[0, 0].numel(), generator=torch.Generator().manual_seed(2))
        if name == "boundary":  # whose value is a matter of places; mirror images have the same
            order = torch.arange(len(order)).flip(0)
        shuffled = [x.flatten(2)[:, :, order].reshape(x.shape) for x in (logits, target)]
        loss = make(name, head)
        torch.testing.assert_close(loss(*shuffled), loss(logits, target))

    def test_does_not_depend_on_the_order_of_channels_or_samples(self, name: str, head: str) -> None:
        logits, target = random_logits(0), random_target(head, 1)
        order = [0, 2, 3, 1]  # the background stays first
        loss = make(name, head)
        expected = loss(logits, target)
        torch.testing.assert_close(loss(logits[:, order], target[:, order]), expected)
        torch.testing.assert_close(loss(logits.flip(0), target.flip(0)), expected)

    def test_gradient_is_finite_on_an_empty_target(self, name: str, head: str) -> None:
        target = empty(head)
        starts = (random_logits(0), certain(target), certain(1 - target), torch.zeros_like(target))
        for params in ({},) if name in VOXELWISE else ({"batch_dice": False}, {"batch_dice": True}):
            for start in starts:
                logits = start.clone().requires_grad_()
                make(name, head, **params)(logits, target).backward()
                assert torch.isfinite(logits.grad).all()

    def test_gradient_points_towards_the_target(self, name: str, head: str) -> None:
        logits, target = random_logits(0).requires_grad_(), random_target(head, 1)
        loss = make(name, head)
        before = loss(logits, target)
        before.backward()
        assert loss(logits.detach() - 0.1 * logits.grad, target) < before

    def test_gradient_equals_finite_differences(self, name: str, head: str) -> None:
        logits, target = random_logits(0).requires_grad_(), random_target(head, 1)
        loss = make(name, head)
        loss(logits, target).backward()
        step = 1e-2 * torch.sign(logits.grad)
        up, down = (loss(logits.detach() + sign * step, target).item() for sign in (1, -1))
        assert (up - down) / 2e-2 == pytest.approx(logits.grad.abs().sum().item(), rel=1e-2)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_reduced_precision_logits_are_computed_in_float32(
        self, name: str, head: str, dtype: torch.dtype
    ) -> None:
        shape = (1, 4, 48, 48, 48)  # a sum over these voxels does not fit into float16
        logits = random_logits(0, shape).to(dtype).requires_grad_()
        target = random_target(head, 1, shape)
        loss = make(name, head)
        with torch.autocast("cpu", torch.bfloat16):
            found = loss(logits, target)
        assert torch.equal(found, loss(logits.detach().float(), target))
        found.backward()
        assert torch.isfinite(logits.grad).all()

    def test_memory_layout_does_not_matter(self, name: str, head: str) -> None:
        logits, target = random_logits(0), random_target(head, 1)
        loss = make(name, head)
        laid_out = logits.to(memory_format=torch.channels_last_3d)
        torch.testing.assert_close(loss(laid_out, target), loss(logits, target))

    def test_unknown_parameter_names_the_known_ones(self, name: str, head: str) -> None:
        with pytest.raises(ConfigError, match=r"loss\.params\.wieghts"):
            make(name, head, wieghts=[1])

    def test_the_head_is_not_a_parameter(self, name: str, head: str) -> None:
        with pytest.raises(ConfigError, match=r"loss\.params\.head"):
            build_loss(name, head=head, params={"head": head})


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", WEIGHTED)
class TestEveryWeightedLoss:
    def test_equal_weights_change_nothing(self, name: str, head: str) -> None:
        logits, target = random_logits(0), random_target(head, 1)
        weighted = make(name, head, weights=[3.0] * 4)
        torch.testing.assert_close(weighted(logits, target), make(name, head)(logits, target))

    def test_number_of_weights_is_checked(self, name: str, head: str) -> None:
        loss = make(name, head, weights=[1, 2])
        with pytest.raises(ConfigError, match="4 weights"):
            loss(random_logits(0), random_target(head, 1))

    @pytest.mark.parametrize("weights", [[], [0, 0, 0, 0], [1, -1, 1, 1]])
    def test_impossible_weights(self, name: str, head: str, weights: list[float]) -> None:
        with pytest.raises(ConfigError, match=r"loss\.params\.weights"):
            make(name, head, weights=weights)


@pytest.mark.parametrize("name", WEIGHTED)
def test_channel_of_weight_zero_does_not_count(name: str) -> None:
    logits, target = random_logits(0), random_target("sigmoid", 1)
    loss = make(name, "sigmoid", weights=[1, 1, 1, 0])
    changed = torch.cat([logits[:, :3], -logits[:, 3:]], dim=1)
    torch.testing.assert_close(loss(changed, target), loss(logits, target))
    torch.testing.assert_close(loss(logits, target), make(name, "sigmoid")(logits[:, :3], target[:, :3]))


class TestBuildLoss:
    def test_unknown_loss_names_the_closest(self) -> None:
        with pytest.raises(ConfigError, match="did you mean 'focal_tversky'"):
            make("focal_tverski", "sigmoid")

    def test_unknown_head_names_the_closest(self) -> None:
        with pytest.raises(ConfigError, match="did you mean 'sigmoid'"):
            make("dice", "sigmoidal")

    @pytest.mark.parametrize("name", [*OVERLAP, "dice_ce", "dice_focal", "boundary"])
    def test_regions_have_no_background(self, name: str) -> None:
        with pytest.raises(ConfigError, match=r"loss\.params\.include_background"):
            make(name, "sigmoid", include_background=True)

    @pytest.mark.parametrize(
        ("name", "params"),
        [
            ("dice", {"smooth": 0}),
            ("focal", {"gamma": -1}),
            ("tversky", {"alpha": 0}),
            ("focal_tversky", {"gamma": 0}),
            ("dice_ce", {"ce_weight": 0}),
            ("dice_focal", {"focal_weight": -1}),
            ("generalized_dice", {"volume_weight": "cubic"}),
            ("matthews", {"smooth": 0}),
            ("unified_focal", {"gamma": 1}),
            ("unified_focal", {"delta": 0}),
            ("symmetric_unified_focal", {"weight": 1.5}),
            ("boundary", {"spacing_mm": [1, 0, 1]}),
            ("compound", {"terms": {}}),
            ("compound", {"terms": {"dice": 0}}),
        ],
    )
    def test_values_that_cannot_work(self, name: str, params: dict[str, Any]) -> None:
        with pytest.raises(ConfigError, match=rf"loss\.params\.{next(iter(params))}"):
            make(name, "sigmoid", **params)


# One sample, one channel, four voxels: p = .8 .6 .3 .1, truth 1 1 0 0.
# TP 1.4, FP .4, FN .6.
P = torch.tensor([0.8, 0.6, 0.3, 0.1]).view(1, 1, 2, 2)
T = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(1, 1, 2, 2)
ENTROPIES = [-math.log(p) for p in (0.8, 0.6, 0.7, 0.9)]


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("dice", {}, 1 - 2.8 / 3.8),
        ("dice", {"smooth": 1}, 1 - (2.8 + 1) / (3.8 + 1)),
        ("tversky", {"alpha": 0.5, "beta": 0.5}, 1 - 2.8 / 3.8),
        ("tversky", {"alpha": 0.3, "beta": 0.7}, 1 - 1.4 / (1.4 + 0.3 * 0.4 + 0.7 * 0.6)),
        ("focal_tversky", {"alpha": 0.3, "beta": 0.7, "gamma": 2}, (1 - 1.4 / 1.94) ** 0.5),
        ("generalized_dice", {}, 1 - 2.8 / 3.8),
        ("cross_entropy", {}, sum(ENTROPIES) / 4),
        ("focal", {"gamma": 0}, sum(ENTROPIES) / 4),
        (
            "focal",
            {"gamma": 2},
            sum((1 - math.exp(-entropy)) ** 2 * entropy for entropy in ENTROPIES) / 4,
        ),
        ("matthews", {}, 1 - (1.4 * 1.6 - 0.4 * 0.6) / (1.8 * 2 * 2 * 2.2) ** 0.5),
        ("boundary", {}, (0.2 + 0.4 + 0.3 + 0.1) / 4),
        ("compound", {"terms": {"dice": 2, "boundary": 0.5}}, 2 * (1 - 2.8 / 3.8) + 0.5 * 0.25),
        ("dice_ce", {"dice_weight": 2, "ce_weight": 3}, 2 * (1 - 2.8 / 3.8) + 3 * sum(ENTROPIES) / 4),
    ],
)
class TestKnownValues:
    def test_sigmoid(self, name: str, params: dict[str, Any], expected: float) -> None:
        found = make(name, "sigmoid", **params)(P.logit(), T)
        assert found.item() == pytest.approx(expected, abs=2e-5)

    def test_softmax_of_two_classes_is_the_sigmoid_of_their_difference(
        self, name: str, params: dict[str, Any], expected: float
    ) -> None:
        logits = torch.cat([torch.zeros_like(P), P.logit()], dim=1)
        found = make(name, "softmax", **params)(logits, torch.cat([1 - T, T], dim=1))
        assert found.item() == pytest.approx(expected, abs=2e-5)


class TestOverlapOptions:
    LOGITS = torch.cat([P.logit(), -P.logit()])  # the second sample predicts the opposite
    TARGET = torch.cat([T, T])

    def test_samples_are_averaged_on_wish(self) -> None:
        found = make("dice", "sigmoid", batch_dice=False)(self.LOGITS, self.TARGET)
        assert found.item() == pytest.approx(((1 - 2.8 / 3.8) + (1 - 1.2 / 4.2)) / 2, abs=2e-5)

    def test_the_batch_is_one_image(self) -> None:
        found = make("dice", "sigmoid")(self.LOGITS, self.TARGET)
        assert found.item() == pytest.approx(1 - (2.8 + 1.2) / (3.8 + 4.2), abs=2e-5)

    def test_weights_are_relative(self) -> None:
        logits, target = torch.cat([P.logit(), -P.logit()], dim=1), torch.cat([T, T], dim=1)
        found = make("dice", "sigmoid", weights=[6, 2])(logits, target)
        assert found.item() == pytest.approx(0.75 * (1 - 2.8 / 3.8) + 0.25 * (1 - 1.2 / 4.2), abs=2e-5)

    @pytest.mark.parametrize("name", OVERLAP)
    def test_background_counts_only_on_wish(self, name: str) -> None:
        logits, target = random_logits(0), random_target("softmax", 1)
        default, without, with_background = (
            make(name, "softmax", **params)(logits, target).item()
            for params in ({}, {"include_background": False}, {"include_background": True})
        )
        assert default == without
        assert default != with_background

    def test_background_weight_is_passed_over_with_the_background(self) -> None:
        logits, target = random_logits(0), random_target("softmax", 1)
        first, second = (make("dice", "softmax", weights=[w, 1, 2, 3])(logits, target) for w in (0, 100))
        assert torch.equal(first, second)

    def test_generalised_dice_favours_small_regions(self) -> None:
        target = torch.zeros(1, 2, 10, 10)
        target[:, 0, :9], target[:, 1, 0, :2] = 1, 1
        losses = []
        for missed in (0, 1):
            logits = certain(target)
            logits[:, missed] = -CERTAIN
            losses.append(make("generalized_dice", "sigmoid")(logits, target).item())
        assert losses[1] > 0.9 > 0.1 > losses[0]


class TestCrossEntropy:
    def test_softmax_equals_pytorch(self) -> None:
        logits, target = random_logits(0), random_target("softmax", 1)
        weights = torch.tensor([0.2, 1.0, 2.0, 3.0])
        for given_weights, theirs in ((None, None), (weights.tolist(), weights)):
            found = make("cross_entropy", "softmax", weights=given_weights)(logits, target)
            expected = nn.functional.cross_entropy(logits, target.argmax(dim=1), weight=theirs)
            torch.testing.assert_close(found, expected)

    def test_sigmoid_equals_pytorch(self) -> None:
        logits, target = random_logits(0), random_target("sigmoid", 1)
        expected = nn.functional.binary_cross_entropy_with_logits(logits, target)
        torch.testing.assert_close(make("cross_entropy", "sigmoid")(logits, target), expected)

    def test_only_classes_of_weight_zero(self) -> None:
        loss = make("cross_entropy", "softmax", weights=[0, 1, 1, 1])
        assert loss(random_logits(0), empty("softmax")).item() == 0


@given(seed=st.integers(0, 2**31), head=st.sampled_from(HEADS), gamma=st.floats(0.5, 5))
@settings(deadline=None, max_examples=20)
def test_focal_loss_is_at_most_cross_entropy(seed: int, head: str, gamma: float) -> None:
    logits, target = random_logits(seed), random_target(head, seed + 1)
    entropy = make("cross_entropy", head)(logits, target)
    torch.testing.assert_close(make("focal", head, gamma=0)(logits, target), entropy)
    assert make("focal", head, gamma=gamma)(logits, target) <= entropy
