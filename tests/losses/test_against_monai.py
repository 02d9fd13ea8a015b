"""The losses of overlap equal MONAI's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.losses import DiceLoss, GeneralizedDiceLoss, TverskyLoss
from torch import Tensor, nn

from brats3d.losses import build_loss

SHAPE = (3, 4, 5, 4, 3)
HEADS = ("sigmoid", "softmax")


def _problem(head: str, seed: int, share: float) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(SHAPE, generator=generator)
    target = (torch.rand(SHAPE, generator=generator) < share).float()
    if head == "softmax":
        classes = target.cumprod(dim=1).sum(dim=1).long().clamp(max=SHAPE[1] - 1)
        target = nn.functional.one_hot(classes, SHAPE[1]).movedim(-1, 1).float()
    return logits, target


def _same(ours: nn.Module, theirs: nn.Module, logits: Tensor, target: Tensor) -> None:
    found = []
    for loss in (ours, theirs):
        start = logits.clone().requires_grad_()
        value = loss(start, target)
        value.backward()
        found.append((value.detach(), start.grad))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-6)


cases = given(
    head=st.sampled_from(HEADS),
    batch=st.booleans(),
    seed=st.integers(0, 2**31),
    share=st.sampled_from([0.0, 0.01, 0.5]),
    smooth=st.sampled_from([1e-5, 1.0]),
)


@cases
@settings(deadline=None, max_examples=30)
def test_dice(head: str, batch: bool, seed: int, share: float, smooth: float) -> None:
    theirs = DiceLoss(
        include_background=head == "sigmoid",
        sigmoid=head == "sigmoid",
        softmax=head == "softmax",
        batch=batch,
        smooth_nr=smooth,
        smooth_dr=smooth,
    )
    ours = build_loss("dice", head=head, params={"batch_dice": batch, "smooth": smooth})
    _same(ours, theirs, *_problem(head, seed, share))


@cases
@settings(deadline=None, max_examples=30)
def test_tversky(head: str, batch: bool, seed: int, share: float, smooth: float) -> None:
    theirs = TverskyLoss(
        include_background=head == "sigmoid",
        sigmoid=head == "sigmoid",
        softmax=head == "softmax",
        alpha=0.2,
        beta=0.6,
        batch=batch,
        smooth_nr=smooth,
        smooth_dr=smooth,
    )
    params = {"alpha": 0.2, "beta": 0.6, "batch_dice": batch, "smooth": smooth}
    _same(build_loss("tversky", head=head, params=params), theirs, *_problem(head, seed, share))


@pytest.mark.parametrize("weight", ["square", "simple", "uniform"])
@cases
@settings(deadline=None, max_examples=30)
def test_generalised_dice(
    weight: str, head: str, batch: bool, seed: int, share: float, smooth: float
) -> None:
    theirs = GeneralizedDiceLoss(
        include_background=head == "sigmoid",
        sigmoid=head == "sigmoid",
        softmax=head == "softmax",
        w_type=weight,
        batch=batch,
        smooth_nr=smooth,
        smooth_dr=smooth,
    )
    params = {"volume_weight": weight, "batch_dice": batch, "smooth": smooth}
    _same(build_loss("generalized_dice", head=head, params=params), theirs, *_problem(head, seed, share))
