"""Whole batches against the augmentation of single samples, part by part, and whatever the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import (
    AdjustContrast,
    GaussianSmooth,
    RandSimulateLowResolution,
    ScaleIntensity,
    ShiftIntensity,
)
from scipy.stats import ks_2samp
from torch._subclasses.fake_tensor import FakeTensorMode

from brats3d.errors import ConfigError
from brats3d.transforms.augmentation import build_augmentation
from brats3d.transforms.batch_augmentation.batch import build_batch_augmentation
from brats3d.transforms.batch_augmentation.deferring import collate_deferred, defer
from brats3d.transforms.batch_augmentation.draws import Draws
from brats3d.transforms.batch_augmentation.intensity import change_intensities
from brats3d.transforms.batch_augmentation.spatial import move
from brats3d.transforms.rotation_scaling import RandRotateScaled

PARTS = (
    "flip",
    "rotation",
    "scaling",
    "noise",
    "blur",
    "brightness",
    "contrast",
    "gamma",
    "low_resolution",
    "modality_dropout",
)
EVERYTHING = {f"{part}_probability": 1.0 for part in PARTS}
CHANNELS = 4
TOLERANCE = {"atol": 1e-4, "rtol": 0}
both_dimensions = pytest.mark.parametrize("spatial_dims", [2, 3])


def only(part: str, **more: object) -> dict[str, object]:
    return {**{f"{other}_probability": float(other == part) for other in PARTS}, **more}


def patch(spatial_dims: int, side: int = 16, seed: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Image ``(C, *S)`` whose first three planes are empty, and classes."""
    generator = torch.Generator().manual_seed(seed)
    shape = (side, side + 2, side - 2)[:spatial_dims]
    image = torch.randn(CHANNELS, *shape, generator=generator)
    image[:, :3] = 0
    return image, torch.randint(0, 4, (1, *shape), generator=generator, dtype=torch.uint8)


def batch(spatial_dims: int, count: int, side: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    samples = [patch(spatial_dims, side, seed) for seed in range(count)]
    return torch.stack([image for image, _ in samples]), torch.stack([classes for _, classes in samples])


def changed(image: torch.Tensor, draws: Draws) -> torch.Tensor:
    result = image.clone()
    change_intensities(result, draws)
    return result


class Fixed(RandRotateScaled):
    """Rotation and scaling of single samples by a given matrix."""

    def __init__(self, spatial_dims: int, matrix: torch.Tensor, padding: str) -> None:
        super().__init__(
            spatial_dims,
            rotation_probability=1,
            rotation_degrees=0,
            scaling_probability=0,
            scaling_range=(1, 1),
            padding=padding,
        )
        self.matrix = matrix

    def draw(self) -> torch.Tensor:
        return self.matrix


@both_dimensions
class TestEachPartIsThatOfSingleSamples:
    @pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
    @pytest.mark.parametrize("flips", [(), (1,), (0, 1)])
    def test_flips_rotation_and_scaling(self, spatial_dims, flips, padding):
        image, classes = patch(spatial_dims, side=24)
        step = RandRotateScaled(
            spatial_dims,
            rotation_probability=1,
            rotation_degrees=30,
            scaling_probability=1,
            scaling_range=(0.7, 1.4),
        )
        axes = [axis + 1 for axis in flips]
        for seed in range(4):
            step.set_random_state(seed)
            matrix = step.draw()
            expected = Fixed(spatial_dims, matrix, padding)(
                {"image": image.flip(axes), "classes": classes.flip(axes)}
            )
            moved_image, moved_classes = move(
                image[None], classes[None], [Draws(flips=flips, matrix=matrix)], padding=padding
            )
            torch.testing.assert_close(moved_image[0], expected["image"], **TOLERANCE)
            assert (moved_classes[0] != expected["classes"]).float().mean() <= 1e-3
            assert (expected["classes"] != classes).any()

    @pytest.mark.parametrize("flips", [(), (0,), (0, 1)])
    def test_flips_alone_are_exact(self, spatial_dims, flips):
        image, classes = patch(spatial_dims)
        axes = [axis + 1 for axis in flips]
        moved_image, moved_classes = move(image[None], classes[None], [Draws(flips=flips)], padding="zeros")
        assert torch.equal(moved_image[0], image.flip(axes))
        assert torch.equal(moved_classes[0], classes.flip(axes))

    def test_output_size(self, spatial_dims):
        image, classes = batch(spatial_dims, 2)
        size = (8, 10, 6)[:spatial_dims]
        still = torch.eye(spatial_dims)
        moved_image, moved_classes = move(
            image, classes, [Draws(), Draws(matrix=still)], padding="zeros", output_size=size
        )
        centre = (..., *[slice((s - n) // 2, (s + n) // 2) for s, n in zip((16, 18, 14), size, strict=False)])
        torch.testing.assert_close(moved_image, image[centre], **TOLERANCE)
        assert torch.equal(moved_classes, classes[centre])

    def test_noise(self, spatial_dims):
        image, _ = patch(spatial_dims, side=40)
        noise = (changed(image, Draws(noise_std=0.3, noise_seed=1)) - image)[:, 3:]
        assert float(noise.mean()) == pytest.approx(0, abs=5 * 0.3 / noise.numel() ** 0.5)
        assert float(noise.std()) == pytest.approx(0.3, rel=5 / (2 * noise.numel()) ** 0.5)
        other = (changed(image, Draws(noise_std=0.3, noise_seed=2)) - image)[:, 3:]
        assert not torch.equal(noise, other)

    @pytest.mark.parametrize("sigma", [0.1, 0.5, 0.8, 1.0, 2.5])
    def test_blur(self, spatial_dims, sigma):
        image, _ = patch(spatial_dims)
        sigmas = (sigma, 0.7, 0.9)[:spatial_dims]
        expected = image.clone()
        expected[1:2] = GaussianSmooth(sigmas)(image[1:2]) * (image[1:2] != 0)
        torch.testing.assert_close(changed(image, Draws(blurs={1: sigmas})), expected, **TOLERANCE)

    def test_brightness_and_contrast(self, spatial_dims):
        image, _ = patch(spatial_dims)
        offsets, factors = (0.1, -0.2, 0.05, 0.0), (0.8, 1.2, 1.0, 0.9)
        shifted = torch.stack([ShiftIntensity(o)(x) for o, x in zip(offsets, image, strict=True)])
        scaled = torch.stack(
            [
                ScaleIntensity(minv=None, maxv=None, factor=f - 1)(x)
                for f, x in zip(factors, shifted, strict=True)
            ]
        )
        signal = image != 0
        torch.testing.assert_close(changed(image, Draws(offsets=offsets)), shifted * signal, **TOLERANCE)
        both = Draws(offsets=offsets, factors=factors)
        torch.testing.assert_close(changed(image, both), scaled * signal, **TOLERANCE)

    @pytest.mark.parametrize("zoom", [0.5, 0.61, 0.87, 1.0, 0.01])
    def test_low_resolution(self, spatial_dims, zoom):
        image, _ = patch(spatial_dims)
        smooth = "trilinear" if spatial_dims == 3 else "bilinear"
        coarse = RandSimulateLowResolution(prob=1, upsample_mode=smooth, zoom_range=(zoom, zoom))
        expected = image.clone()
        expected[2:3] = coarse(image[2:3]) * (image[2:3] != 0)
        torch.testing.assert_close(changed(image, Draws(zooms={2: zoom})), expected, **TOLERANCE)

    def test_power_laws(self, spatial_dims):
        image, _ = patch(spatial_dims)
        gammas, inverted = (0.7, 1.5, 1.0, 1.3), (False, True, True, False)
        expected = torch.stack(
            [
                AdjustContrast(gamma, invert_image=upside_down, retain_stats=True)(channel)
                for gamma, upside_down, channel in zip(gammas, inverted, image, strict=True)
            ]
        )
        found = changed(image, Draws(gammas=gammas, inverted=inverted))
        torch.testing.assert_close(found, expected * (image != 0), **TOLERANCE)

    def test_the_order_of_all(self, spatial_dims):
        image, _ = patch(spatial_dims)
        sigmas, zoom, gamma = (0.6, 0.7, 0.8)[:spatial_dims], 0.6, 1.4
        smooth = "trilinear" if spatial_dims == 3 else "bilinear"
        steps = [
            GaussianSmooth(sigmas),
            ShiftIntensity(0.2),
            ScaleIntensity(minv=None, maxv=None, factor=-0.3),
            RandSimulateLowResolution(prob=1, upsample_mode=smooth, zoom_range=(zoom, zoom)),
            AdjustContrast(gamma, invert_image=True, retain_stats=True),
        ]
        expected = image[:1]
        for step in steps:
            expected = step(expected)
        draws = Draws(
            blurs={0: sigmas},
            offsets=(0.2,),
            factors=(0.7,),
            zooms={0: zoom},
            gammas=(gamma,),
            inverted=(True,),
        )
        torch.testing.assert_close(changed(image[:1], draws), expected * (image[:1] != 0), **TOLERANCE)


@both_dimensions
@pytest.mark.parametrize("part", PARTS)
def test_distributions_are_those_of_single_samples(spatial_dims, part):
    side, count = 6, 250
    chosen = {**only(part), f"{part}_probability": 0.6}
    single, whole = (
        build_augmentation(spatial_dims, **chosen),
        build_batch_augmentation(spatial_dims, **chosen),
    )
    image, classes = patch(spatial_dims, side)
    ones = [single({"image": image, "classes": classes}, seed)["image"] for seed in range(count)]
    expanded = (tensor.expand(count, *tensor.shape) for tensor in (image, classes))
    many, _ = whole(*expanded, list(range(count)))

    def change_per_channel(results: Any) -> np.ndarray:
        return np.array([(result - image).abs().flatten(1).mean(1).numpy() for result in results])

    of_ones, of_many = change_per_channel(ones), change_per_channel(many)
    shares = [(found.max(1) == 0).mean() for found in (of_ones, of_many)]
    assert shares[0] == pytest.approx(shares[1], abs=5 * (0.5 / count) ** 0.5)
    for channel in range(CHANNELS):
        assert ks_2samp(of_ones[:, channel], of_many[:, channel]).pvalue > 1e-4
    # The channels differ from each other as much, too.
    assert ks_2samp(np.ptp(of_ones, axis=1), np.ptp(of_many, axis=1)).pvalue > 1e-4


@pytest.mark.parametrize("part", ["noise", "brightness", "contrast", "gamma", "modality_dropout", "scaling"])
def test_a_wrong_range_would_be_noticed(part):
    """The comparison above tells a range half as wide from the right one."""
    narrower = {
        "noise": {"noise_std": 0.05},
        "brightness": {"brightness_offset": 0.1},
        "contrast": {"contrast_range": (0.9, 1.1)},
        "gamma": {"gamma_range": (0.85, 1.2)},
        "scaling": {"scaling_range": (0.85, 1.15)},
        "modality_dropout": {"modality_dropout_probability": 0.5},
    }[part]
    image, classes = patch(2, 6)
    many = [tensor.expand(250, *tensor.shape) for tensor in (image, classes)]
    right, wrong = (
        build_batch_augmentation(2, **{**only(part), **changes})(*many, list(range(250)))[0]
        for changes in ({}, narrower)
    )
    sizes = [(found - image).abs().flatten(2).mean(2)[:, 0] for found in (right, wrong)]
    assert ks_2samp(*sizes).pvalue < 1e-4


@both_dimensions
class TestEverythingAtOnce:
    def test_neither_the_batch_nor_the_place_in_it_matters(self, spatial_dims):
        augment = build_batch_augmentation(spatial_dims, **{key: 0.5 for key in EVERYTHING})
        image, classes = batch(spatial_dims, 6)
        seeds = [11, 5, 2**62, 7, 0, 3]
        together = augment(image, classes, seeds)
        backwards = augment(image.flip(0), classes.flip(0), seeds[::-1])
        for number, seed in enumerate(seeds):
            alone = augment(image[number : number + 1], classes[number : number + 1], [seed])
            for result, turned, single in zip(together, backwards, alone, strict=True):
                assert torch.equal(result[number], single[0])
                assert torch.equal(turned[5 - number], single[0])
        assert not torch.equal(augment(image, classes, [1] * 6)[0], together[0])

    def test_the_global_generators_are_left_alone(self, spatial_dims):
        augment = build_batch_augmentation(spatial_dims, **EVERYTHING)
        before = torch.get_rng_state()
        first = augment(*batch(spatial_dims, 2), [1, 2])[0]
        assert torch.equal(torch.get_rng_state(), before)
        torch.rand(3)
        assert torch.equal(augment(*batch(spatial_dims, 2), [1, 2])[0], first)

    def test_types_shapes_and_input_untouched(self, spatial_dims):
        augment = build_batch_augmentation(spatial_dims, **EVERYTHING)
        image, classes = batch(spatial_dims, 2)
        image = image.half()
        before = image.clone(), classes.clone()
        changed_image, changed_classes = augment(image, classes, [1, 2])
        assert torch.equal(image, before[0])
        assert torch.equal(classes, before[1])
        assert (changed_image.dtype, changed_classes.dtype) == (torch.float32, torch.uint8)
        assert changed_image.shape == image.shape
        assert changed_classes.shape == classes.shape
        assert torch.isfinite(changed_image).all()
        assert torch.equal(changed_image, augment(image.float(), classes, [1, 2])[0])

    def test_probability_zero_switches_everything_off(self, spatial_dims):
        augment = build_batch_augmentation(spatial_dims, **dict.fromkeys(EVERYTHING, 0.0))
        image, classes = batch(spatial_dims, 3)
        result = augment(image, classes, [1, 2, 3])
        assert torch.equal(result[0], image)
        assert torch.equal(result[1], classes)

    def test_an_empty_patch_stays_finite_and_empty(self, spatial_dims):
        image, classes = batch(spatial_dims, 2)
        result, _ = build_batch_augmentation(spatial_dims, **EVERYTHING)(image * 0, classes, [1, 2])
        assert not result.any()

    @pytest.mark.parametrize("part", PARTS[3:])
    def test_outside_stays_zero_and_classes_stay(self, spatial_dims, part):
        image, classes = batch(spatial_dims, 2)
        result = build_batch_augmentation(spatial_dims, **only(part))(image, classes, [1, 2])
        assert not result[0][:, :, :3].any()
        assert torch.equal(result[1], classes)

    def test_nothing_is_read_back_from_the_device(self, spatial_dims):
        image, classes = batch(spatial_dims, 2)
        augment = build_batch_augmentation(spatial_dims, **EVERYTHING)
        augment(image, classes, [1, 2])  # fills the cache of matrices with real ones
        # Tensors without values: whoever asks for one raises.
        with FakeTensorMode(allow_non_fake_inputs=True) as fake:
            result, _ = augment(fake.from_tensor(image), fake.from_tensor(classes), [1, 2])
            assert result.shape == image.shape


def test_dropout_blanks_whole_modalities_but_never_all():
    image, classes = (tensor.expand(60, *tensor.shape) for tensor in patch(2))
    result, _ = build_batch_augmentation(2, **only("modality_dropout"))(image, classes, list(range(60)))
    kept = result.flatten(2).any(2)
    assert set(kept.sum(1).tolist()) == {1, 2, 3}
    assert torch.equal(result[kept], image[kept])


def test_dropout_leaves_a_single_modality_alone():
    image, classes = patch(2)
    augment = build_batch_augmentation(2, **only("modality_dropout"))
    assert torch.equal(augment(image[None, :1], classes[None], [0])[0], image[None, :1])


def test_flip_axes_are_chosen():
    image, classes = patch(3)
    result, _ = build_batch_augmentation(3, **only("flip", flip_axes=[1]))(image[None], classes[None], [0])
    assert torch.equal(result[0], image.flip(2))


def test_seeds_travel_beside_the_samples():
    samples = [defer({"image": torch.ones(1, 2), "classes": torch.zeros(1, 2)}, 2**62 + n) for n in range(3)]
    collated = collate_deferred(samples)
    assert collated["seeds"] == [2**62, 2**62 + 1, 2**62 + 2]
    assert collated["image"].shape == (3, 1, 2)
    assert collated["classes"].shape == (3, 1, 2)


@pytest.mark.parametrize(
    "wrong", [{"noise_probability": -0.1}, {"gamma_range": (1.5, 0.7)}, {"flip_axes": [3]}]
)
def test_settings_that_cannot_work(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        build_batch_augmentation(3, **wrong)
