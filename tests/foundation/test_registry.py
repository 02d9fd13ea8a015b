"""Look-up by name, with errors that name the closest choice."""

from __future__ import annotations

import pytest

from brats3d.errors import ConfigError
from brats3d.registry import check_params, look_up

REGISTRY = {"unet": 1, "dynunet": 2, "segresnet": 3}


def build(*, in_channels: int, filters: tuple[int, ...] = (8, 16), dropout: float = 0.0) -> None:
    """Stand in for a builder of networks."""


def test_a_known_name() -> None:
    assert look_up(REGISTRY, "dynunet", "model.name") == 2


def test_an_unknown_name_lists_the_choices_closest_first() -> None:
    with pytest.raises(ConfigError, match="did you mean 'dynunet'") as caught:
        look_up(REGISTRY, "dynunett", "model.name")
    assert caught.value.where == "model.name"
    assert caught.value.got == "dynunett"
    assert caught.value.expected == "one of dynunet, unet, segresnet"


def test_known_parameters() -> None:
    check_params(build, {"filters": (4, 8), "dropout": 0.1}, "model.params", {"in_channels"})
    check_params(build, {}, "model.params", {"in_channels"})


def test_an_unknown_parameter_names_the_closest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'filters'") as caught:
        check_params(build, {"filter": (4, 8)}, "model.params", {"in_channels"})
    assert caught.value.where == "model.params.filter"


def test_what_the_caller_gives_is_not_for_the_user() -> None:
    with pytest.raises(ConfigError, match="unknown parameter 'in_channels'"):
        check_params(build, {"in_channels": 4}, "model.params", {"in_channels"})


def test_a_number_as_a_name() -> None:
    with pytest.raises(ConfigError, match="unknown parameter 1"):
        check_params(build, {1: 4}, "model.params", {"in_channels"})  # type: ignore[dict-item]


def test_a_builder_without_parameters() -> None:
    with pytest.raises(ConfigError, match="remove it"):
        check_params(lambda: None, {"alpha": 1}, "loss.params", set())
