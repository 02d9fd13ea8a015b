"""Optimisers by name, and learning-rate schedules against their closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from brats3d.errors import ConfigError
from brats3d.training.optimisers import OPTIMISERS, SCHEDULES, build_optimiser, rate_factor, scaled_rate

WARMUP = 0.1


def build(name: str, **changes: object) -> torch.optim.Optimizer:
    chosen = {"lr": 0.1, "weight_decay": 0.01, "momentum": 0.9, "fused": False, **changes}
    return build_optimiser(name, [torch.nn.Parameter(torch.ones(3))], **chosen)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_takes_its_settings_and_goes_downhill(name: str) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimiser = build_optimiser(name, [weight], lr=0.1, weight_decay=0.01, momentum=0.9, fused=True)
    assert optimiser.param_groups[0]["lr"] == 0.1
    assert optimiser.param_groups[0]["weight_decay"] == 0.01
    (weight**2).sum().backward()
    optimiser.step()
    assert (weight < 1).all()


def test_sgd_takes_the_momentum_by_nesterov() -> None:
    (group,) = build("sgd").param_groups
    assert (group["momentum"], group["nesterov"]) == (0.9, True)
    (group,) = build("sgd", momentum=0.0).param_groups
    assert group["nesterov"] is False


def test_an_unknown_optimiser_is_answered_with_the_closest() -> None:
    with pytest.raises(ConfigError, match="adamw") as caught:
        build("adamv")
    assert caught.value.where == "optim.name"


@pytest.mark.parametrize("lr", [0.0, -1.0, math.nan])
def test_a_learning_rate_must_be_positive(lr: float) -> None:
    with pytest.raises(ConfigError) as caught:
        build("adamw", lr=lr)
    assert caught.value.where == "optim.lr"


def test_an_unknown_schedule_is_answered_with_the_closest() -> None:
    with pytest.raises(ConfigError, match="cosine") as caught:
        rate_factor("cosin", 0.5, 0.0)
    assert caught.value.where == "optim.schedule"


@pytest.mark.parametrize(
    ("schedule", "progress", "expected"),
    [
        ("poly", 0.0, 1.0),
        ("poly", 0.5, 0.5**0.9),
        ("poly", 1.0, 0.0),
        ("cosine", 0.0, 1.0),
        ("cosine", 0.25, 0.5 + math.sqrt(0.125)),
        ("cosine", 0.5, 0.5),
        ("cosine", 1.0, 0.0),
        ("one_cycle", 0.0, 1 / 25),
        ("one_cycle", 0.15, 0.52),
        ("one_cycle", 0.3, 1.0),
        ("one_cycle", 0.65, 0.5),
        ("one_cycle", 1.0, 1e-4),
        ("constant", 0.0, 1.0),
        ("constant", 1.0, 1.0),
        ("plateau", 0.7, 1.0),
    ],
)
def test_schedules_at_known_points(schedule: str, progress: float, expected: float) -> None:
    assert rate_factor(schedule, progress, 0.0) == pytest.approx(expected, abs=1e-12)


@given(progress=st.floats(-1.0, 2.0))
@settings(deadline=None, max_examples=50)
def test_factors_stay_between_zero_and_one(progress: float) -> None:
    for schedule in SCHEDULES:
        assert 0.0 <= rate_factor(schedule, progress, WARMUP) <= 1.0


@given(first=st.floats(WARMUP, 1.0), second=st.floats(WARMUP, 1.0))
@settings(deadline=None, max_examples=50)
def test_poly_and_cosine_fall_after_the_warmup(first: float, second: float) -> None:
    early, late = sorted((first, second))
    for schedule in ("poly", "cosine"):
        assert rate_factor(schedule, early, WARMUP) >= rate_factor(schedule, late, WARMUP)


@given(progress=st.floats(0.0, WARMUP, exclude_max=True))
@settings(deadline=None, max_examples=50)
def test_the_warmup_rises_linearly_from_almost_zero(progress: float) -> None:
    expected = max(progress / WARMUP, 0.01)
    assert rate_factor("constant", progress, WARMUP) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_a_jump_where_the_warmup_ends(schedule: str) -> None:
    before, after = (rate_factor(schedule, WARMUP + step, WARMUP) for step in (-1e-9, 1e-9))
    assert before == pytest.approx(after, abs=1e-6)


@pytest.mark.parametrize(("scaling", "expected"), [("none", 0.1), ("linear", 0.8), ("sqrt", 0.1 * 8**0.5)])
def test_the_rate_grows_with_the_batches_of_a_step_on_wish(scaling: str, expected: float) -> None:
    assert scaled_rate(0.1, scaling, 8) == pytest.approx(expected)
    assert scaled_rate(0.1, scaling, 1) == 0.1


def test_an_unknown_scaling_names_the_closest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'linear'") as caught:
        scaled_rate(0.1, "linaer", 2)
    assert caught.value.where == "optim.lr_scaling"
