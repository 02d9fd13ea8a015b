"""Deep supervision: weights of the levels, and targets at their resolution."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from brats3d.losses import LOSSES, DeepSupervisionLoss, build_loss


class Recorder(nn.Module):
    """A loss of 1, 2, 3 … that keeps its targets."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[Tensor] = []

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        assert logits.shape == target.shape
        self.targets.append(target)
        return torch.tensor(float(len(self.targets)))


def test_each_level_counts_half_of_the_finer_one() -> None:
    levels = [torch.zeros(1, 2, side, side) for side in (8, 4, 2)]
    found = DeepSupervisionLoss(Recorder())(levels, torch.zeros(1, 2, 8, 8))
    assert found.item() == pytest.approx((1 * 1 + 2 / 2 + 3 / 4) / (1 + 1 / 2 + 1 / 4))


def test_one_tensor_is_the_loss_itself() -> None:
    loss = build_loss("dice_ce", head="sigmoid", params={})
    logits = torch.randn(1, 3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    target = (logits > 0.5).float()
    expected = loss(logits, target)
    assert torch.equal(DeepSupervisionLoss(loss)(logits, target), expected)
    assert torch.equal(DeepSupervisionLoss(loss)([logits], target), expected)


@pytest.mark.parametrize("sizes", [[(8, 8, 4), (4, 4, 4), (2, 2, 2)], [(8, 8), (4, 4)]])
def test_coarse_targets_stay_one_hot(sizes: list[tuple[int, ...]]) -> None:
    classes = torch.randint(0, 4, (2, *sizes[0]), generator=torch.Generator().manual_seed(0))
    target = nn.functional.one_hot(classes, 4).movedim(-1, 1).float()
    recorder = Recorder()
    DeepSupervisionLoss(recorder)([torch.zeros(2, 4, *size) for size in sizes], target)
    for size, coarse in zip(sizes, recorder.targets, strict=True):
        assert coarse.shape == (2, 4, *size)
        assert torch.equal(coarse.sum(dim=1), torch.ones(2, *size))
        assert set(coarse.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("head", ["sigmoid", "softmax"])
@pytest.mark.parametrize("name", LOSSES)
def test_a_prediction_right_at_all_levels_costs_nothing(name: str, head: str) -> None:
    target = torch.zeros(1, 2, 8, 8, 8)
    target[:, 1, :4] = 1
    target[:, 0] = 1 - target[:, 1]
    levels = [40 * target[..., ::step, ::step, ::step] - 20 for step in (1, 2, 4)]
    loss = DeepSupervisionLoss(build_loss(name, head=head, params={}))
    assert loss(levels, target).item() == pytest.approx(0, abs=1e-4)
    assert loss(levels, 1 - target).item() > 0.5


def test_gradient_reaches_every_level() -> None:
    levels = [torch.randn(1, 3, side, side).requires_grad_() for side in (8, 4, 2)]
    loss = DeepSupervisionLoss(build_loss("dice", head="sigmoid", params={}))
    loss(levels, torch.ones(1, 3, 8, 8)).backward()
    assert all(level.grad.abs().sum() > 0 for level in levels)
