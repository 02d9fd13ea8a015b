"""Heads: targets and probabilities of regions that overlap or classes that do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from brats3d.errors import ConfigError
from brats3d.labels import CONVENTIONS
from brats3d.models import Head

BRATS = CONVENTIONS["brats2017"]
TABLE = BRATS.class_table  # classes background, NCR, ED, ET; regions ET, TC, WT


def classes_and_masks(seed: int, sides: tuple[int, ...]) -> tuple[torch.Tensor, np.ndarray]:
    values = np.array([0, 1, 2, 4], dtype=np.uint8)
    labels = values[np.random.default_rng(seed).integers(0, 4, size=sides)]
    return torch.from_numpy(BRATS.to_classes(labels)), BRATS.to_regions(labels)


@pytest.mark.parametrize("sides", [(4, 5), (4, 5, 3)])
class TestTarget:
    def test_sigmoid_target_is_the_region_masks(self, sides: tuple[int, ...]) -> None:
        classes, masks = classes_and_masks(0, sides)
        target = Head("sigmoid", TABLE).target(classes[None, None])
        assert target.dtype == torch.float32
        np.testing.assert_array_equal(target[0].numpy(), masks)

    def test_softmax_target_is_one_hot(self, sides: tuple[int, ...]) -> None:
        classes, _ = classes_and_masks(0, sides)
        target = Head("softmax", TABLE).target(classes[None, None])
        assert target.shape == (1, 4, *sides)
        assert torch.equal(target.sum(dim=1), torch.ones(1, *sides))
        assert torch.equal(target.argmax(dim=1)[0], classes.long())

    @pytest.mark.parametrize("name", ["sigmoid", "softmax"])
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
    def test_channel_axis_and_dtype_do_not_matter(
        self, sides: tuple[int, ...], name: str, dtype: torch.dtype
    ) -> None:
        batch = torch.stack([classes_and_masks(seed, sides)[0] for seed in (0, 1)]).to(dtype)
        head = Head(name, TABLE)
        assert torch.equal(head.target(batch), head.target(batch[:, None]))


class TestProbabilities:
    def test_sigmoid(self) -> None:
        logits = torch.tensor([0.0, np.log(3.0), -np.log(3.0)], dtype=torch.float32).view(1, 3, 1, 1)
        expected = torch.tensor([0.5, 0.75, 0.25]).view(1, 3, 1, 1)
        torch.testing.assert_close(Head("sigmoid", TABLE).probabilities(logits), expected)

    def test_softmax_adds_up_the_classes_of_a_region(self) -> None:
        of_class = torch.tensor([0.4, 0.3, 0.2, 0.1]).view(1, 4, 1, 1)  # background, NCR, ED, ET
        expected = torch.tensor([0.1, 0.4, 0.6]).view(1, 3, 1, 1)  # ET, TC, WT
        torch.testing.assert_close(Head("softmax", TABLE).probabilities(of_class.log()), expected)

    @given(seed=st.integers(0, 1000), scale=st.floats(0.1, 100), half=st.booleans())
    @settings(deadline=None, max_examples=30)
    def test_softmax_regions_are_probabilities_and_nest(self, seed: int, scale: float, half: bool) -> None:
        logits = scale * torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(seed))
        regions = Head("softmax", TABLE).probabilities(logits.bfloat16() if half else logits)
        assert regions.dtype == torch.float32
        assert 0 <= regions.min() <= regions.max() <= 1
        enhancing, core, whole = regions.unbind(dim=1)
        assert (enhancing <= core + 1e-6).all()
        assert (core <= whole + 1e-6).all()

    @pytest.mark.parametrize("name", ["sigmoid", "softmax"])
    def test_certain_logits_of_a_target_give_back_its_regions(self, name: str) -> None:
        classes, masks = classes_and_masks(2, (6, 5, 4))
        head = Head(name, TABLE)
        probabilities = head.probabilities((head.target(classes[None]) - 0.5) * 100)
        np.testing.assert_allclose(probabilities[0].numpy(), masks, atol=1e-6)

    def test_autocast_does_not_round_them(self) -> None:
        logits = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        head = Head("softmax", TABLE)
        with torch.autocast("cpu", torch.bfloat16):
            found = head.probabilities(logits)
        assert torch.equal(found, head.probabilities(logits))


def test_channels_follow_the_table() -> None:
    assert Head("sigmoid", TABLE).out_channels == 3
    assert Head("softmax", TABLE).out_channels == 4


def test_unknown_head_names_the_closest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'softmax'"):
        Head("soft-max", TABLE)
