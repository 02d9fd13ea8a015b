"""Healing a brain and transplanting tumours between training patches."""

from __future__ import annotations

import pickle

import pytest
import torch

from brats3d.errors import ConfigError
from brats3d.transforms.transplantation import Transplantation, heal

SIDE = 24


def brain(level: float, *tumours: tuple[int, int], dims: int = 3) -> dict[str, torch.Tensor]:
    """A cube of brain of intensity ``level``; tumours are cubes of class 3 and intensity 9."""
    image = torch.zeros(2, *(SIDE,) * dims)
    image[(slice(None), *(slice(2, SIDE - 2),) * dims)] = level
    classes = torch.zeros(1, *(SIDE,) * dims, dtype=torch.uint8)
    for start, size in tumours:
        box = (slice(start, start + size), *(slice(8, 8 + size),) * (dims - 1))
        image[(slice(None), *box)] = 9
        classes[(slice(None), *box)] = 3
    return {"image": image, "classes": classes}


def parts(sample: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    return sample["image"], sample["classes"]


@pytest.mark.parametrize("dims", [2, 3])
def test_a_tumour_on_one_side_is_healed_from_the_other(dims: int):
    sample = brain(1.0, (4, 4), dims=dims)
    image, classes = heal(parts(sample), parts(brain(2.0, dims=dims)), mirror_axis=0)
    assert not classes.any()
    assert torch.allclose(image, brain(1.0, dims=dims)["image"])


def test_a_tumour_in_the_middle_is_healed_from_the_donor():
    sample, donor = brain(1.0, (9, 6)), brain(2.0)
    image, classes = heal(parts(sample), parts(donor), mirror_axis=0)
    assert not classes.any()
    assert image[:, 12, 11, 11].tolist() == [2, 2]
    assert image.max() <= 9


def test_what_nobody_has_healthy_stays():
    sample = brain(1.0, (9, 6))
    image, classes = heal(parts(sample), parts(brain(2.0, (9, 6))), mirror_axis=0)
    assert torch.equal(classes, sample["classes"])
    assert torch.equal(image, sample["image"])


@pytest.mark.parametrize("dims", [2, 3])
def test_a_transplant_brings_image_and_classes_together(dims: int):
    change = Transplantation(
        transplant_probability=1.0, scaling_range=(1.0, 1.0), visibility_range=(1.0, 1.0)
    )
    host, donor = brain(1.0, dims=dims), brain(2.0, (9, 6), dims=dims)
    found = set()
    for seed in range(20):
        result = change(host, donor, seed)
        tumour = result["classes"][0] == 3
        assert 0 < tumour.sum() <= 6**dims
        inner = -torch.nn.functional.max_pool3d(-tumour[None].float(), 3, 1, 1)[0] if dims == 3 else tumour
        where = inner > 0
        if dims == 3 and where.any():
            assert (result["image"][:, where] == 9).all()
        outside = ~(host["image"] != 0).any(0)
        assert not result["image"][:, outside].any()
        assert not result["classes"][0][outside].any()
        found.add(tuple(tumour.nonzero().float().mean(0).round().tolist()))
    assert len(found) > 10, "the places are drawn"


def test_scale_and_visibility():
    host, donor = brain(1.0), brain(2.0, (9, 6))
    half = Transplantation(transplant_probability=1.0, scaling_range=(0.5, 0.5), visibility_range=(0.5, 0.5))
    sizes, peaks = [], []
    for seed in range(12):
        result = half(host, donor, seed)
        sizes.append(int((result["classes"] > 0).sum()))
        peaks.append(float(result["image"].max()))
    assert 0 < max(sizes) <= 4**3
    assert max(peaks) == pytest.approx(1 + 0.5 * (9 - 1), abs=0.5)


def test_the_seed_decides_and_the_inputs_stay():
    change = Transplantation(heal_probability=0.5, transplant_probability=0.5)
    host, donor = brain(1.0, (4, 4)), brain(2.0, (9, 6))
    before = [value.clone() for value in (*parts(host), *parts(donor))]
    again = pickle.loads(pickle.dumps(change))
    for seed in range(6):
        for first, second in zip(
            parts(change(host, donor, seed)), parts(again(host, donor, seed)), strict=True
        ):
            assert torch.equal(first, second)
    assert all(torch.equal(a, b) for a, b in zip(before, (*parts(host), *parts(donor)), strict=True))


def test_nothing_to_do():
    host, donor = brain(1.0, (4, 4)), brain(2.0)
    assert torch.equal(Transplantation()(host, donor, 0)["image"], host["image"])
    without_tumour = Transplantation(transplant_probability=1.0)(host, donor, 0)
    assert torch.equal(without_tumour["classes"], host["classes"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"heal_probability": 1.5},
        {"transplant_probability": -0.1},
        {"scaling_range": (0.0, 1.0)},
        {"scaling_range": (2.0, 1.0)},
        {"visibility_range": (0.5, 1.5)},
    ],
)
def test_settings_that_cannot_be(wrong):
    with pytest.raises(ConfigError, match=f"transplant.{next(iter(wrong))}"):
        Transplantation(**wrong)
