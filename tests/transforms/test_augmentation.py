from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from brats3d.errors import ConfigError
from brats3d.transforms.augmentation import build_augmentation
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
SPATIAL = PARTS[:3]
OFF = {f"{part}_probability": 0.0 for part in PARTS}


def only(*parts: str, **more: object) -> dict[str, object]:
    return {**OFF, **{f"{part}_probability": 1.0 for part in parts}, **more}


def patch(spatial_dims: int = 3, side: int = 16, channels: int = 4) -> dict[str, object]:
    generator = torch.Generator().manual_seed(3)
    shape = (side, side + 2, side - 2)[:spatial_dims]
    image = torch.randn(channels, *shape, generator=generator)
    image[:, :3] = 0
    classes = torch.randint(0, 4, (1, *shape), generator=generator, dtype=torch.uint8)
    return {"image": image, "classes": classes, "case_id": "a"}


@pytest.mark.parametrize("spatial_dims", [2, 3])
class TestEveryPart:
    @pytest.mark.parametrize("part", PARTS)
    def test_shapes_types_determinism_and_input_untouched(self, spatial_dims, part):
        augment = build_augmentation(spatial_dims, **only(part))
        sample = patch(spatial_dims)
        before = {key: value.clone() for key, value in sample.items() if isinstance(value, torch.Tensor)}
        first, second, other = augment(sample, 5), augment(sample, 5), augment(sample, 6)
        for key, dtype in (("image", torch.float32), ("classes", torch.uint8)):
            assert type(first[key]) is torch.Tensor
            assert first[key].dtype == dtype
            assert first[key].is_contiguous()
            assert first[key].shape == sample[key].shape
            assert torch.equal(first[key], second[key])
            assert torch.equal(sample[key], before[key])
        assert torch.isfinite(first["image"]).all()
        assert first["case_id"] == "a"
        if part != "flip":  # all axes at probability 1: nothing is left to chance
            assert not torch.equal(first["image"], other["image"])

    @pytest.mark.parametrize("part", PARTS[3:])
    def test_outside_stays_zero_and_classes_stay(self, spatial_dims, part):
        sample = patch(spatial_dims)
        result = build_augmentation(spatial_dims, **only(part))(sample, 1)
        assert not result["image"][:, :3].any()
        assert torch.equal(result["classes"], sample["classes"])

    def test_probability_zero_switches_everything_off(self, spatial_dims):
        sample = patch(spatial_dims)
        result = build_augmentation(spatial_dims, **OFF)(sample, 0)
        assert torch.equal(result["image"], sample["image"])
        assert torch.equal(result["classes"], sample["classes"])

    def test_pickled_object_gives_the_same(self, spatial_dims):
        augment = build_augmentation(spatial_dims, **only(*PARTS))
        copy = pickle.loads(pickle.dumps(augment))
        sample = patch(spatial_dims)
        assert torch.equal(augment(sample, 9)["image"], copy(sample, 9)["image"])

    def test_empty_patch_stays_finite_and_empty(self, spatial_dims):
        sample = patch(spatial_dims)
        sample["image"] = torch.zeros_like(sample["image"])
        result = build_augmentation(spatial_dims, **only(*PARTS))(sample, 2)
        assert not result["image"].any()


class TestSpatial:
    @settings(deadline=None, max_examples=25)
    @given(st.integers(0, 2**62), st.sampled_from([2, 3]), st.sampled_from(["zeros", "border", "reflection"]))
    def test_image_and_classes_move_together(self, seed, spatial_dims, padding):
        # The image shows the classes, smooth at voxel scale: they must agree after any motion.
        side = 24
        index = np.stack(np.meshgrid(*[np.arange(side)] * spatial_dims, indexing="ij"))
        distance = np.sqrt(
            ((index - np.array([9, 13, 11][:spatial_dims]).reshape(-1, *[1] * spatial_dims)) ** 2).sum(0)
        )
        sample = {
            "image": torch.from_numpy((6 - distance)[None].astype(np.float32)).clamp(min=-4) + 4,
            "classes": torch.from_numpy((distance < 6)[None].astype(np.uint8)),
        }
        result = build_augmentation(spatial_dims, **only(*SPATIAL, padding=padding))(sample, seed)
        inside = result["classes"] == 1
        assert (result["image"][inside] > 3).all()
        assert (result["image"][~inside] < 5).all()

    def test_flips_of_all_axes(self):
        sample = patch()
        result = build_augmentation(3, **only("flip"))(sample, 0)
        assert torch.equal(result["image"], sample["image"].flip(1, 2, 3))
        assert torch.equal(result["classes"], sample["classes"].flip(1, 2, 3))

    def test_flip_axes_are_chosen(self):
        sample = patch()
        result = build_augmentation(3, **only("flip", flip_axes=[1]))(sample, 0)
        assert torch.equal(result["image"], sample["image"].flip(2))

    def test_a_known_scaling(self):
        augment = build_augmentation(2, **only("scaling", scaling_range=(2.0, 2.0)))
        image = torch.arange(8.0).repeat(1, 8, 1) + 10
        result = augment({"image": image, "classes": torch.zeros(1, 8, 8, dtype=torch.uint8)}, 0)["image"]
        # Magnified twice about the centre between voxels 3 and 4.
        expected = 10 + 3.5 + (torch.arange(8.0) - 3.5) / 2
        torch.testing.assert_close(result[0, 4], expected)

    @pytest.mark.parametrize("shape", [(9, 13), (12, 8)])
    def test_rotation_is_rigid_in_oblong_patches(self, shape):
        step = RandRotateScaled(
            2, rotation_probability=1, rotation_degrees=45, scaling_probability=0, scaling_range=(1, 1)
        )
        step.set_random_state(4)
        matrix = step.draw()
        assert matrix is not None
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(2))
        step.set_random_state(4)
        index = torch.stack(torch.meshgrid(*[torch.arange(float(s)) for s in shape], indexing="ij"))
        centre = torch.tensor([(s - 1) / 2 for s in shape]).reshape(2, 1, 1)
        offsets = index - centre
        moved = step({"image": offsets, "classes": torch.zeros(1, *shape, dtype=torch.uint8)})["image"]
        expected = torch.einsum("ij,jxy->ixy", matrix, offsets)
        # Compare where the source lies inside the patch: padding decides the rest.
        inside = (expected.abs() <= centre).all(0)
        torch.testing.assert_close(moved[:, inside], expected[:, inside], atol=1e-4, rtol=0)

    def test_rotation_in_3d_is_a_rotation(self):
        step = RandRotateScaled(
            3, rotation_probability=1, rotation_degrees=30, scaling_probability=1, scaling_range=(0.5, 0.5)
        )
        for seed in range(5):
            step.set_random_state(seed)
            matrix = step.draw()
            torch.testing.assert_close(matrix @ matrix.T, 4 * torch.eye(3))
            assert torch.linalg.det(matrix) > 0

    @pytest.mark.parametrize(("rotation", "scaling"), list(itertools.product([0.0, 1.0], repeat=2)))
    def test_output_size_cuts_the_centre(self, rotation, scaling):
        chosen = {**OFF, "rotation_probability": rotation, "scaling_probability": scaling}
        augment = build_augmentation(
            3, **chosen, output_size=(8, 10, 6), rotation_degrees=1e-4, scaling_range=(1.0, 1.0)
        )
        sample = patch()
        result = augment(sample, 0)
        assert result["image"].shape == (4, 8, 10, 6)
        torch.testing.assert_close(result["image"], sample["image"][:, 4:12, 4:14, 4:10], atol=1e-3, rtol=0)
        assert torch.equal(result["classes"], sample["classes"][:, 4:12, 4:14, 4:10])


class TestIntensity:
    def test_gamma_keeps_mean_and_deviation_of_each_channel(self):
        sample = patch()
        sample["image"] = sample["image"] + 100  # no voxel is zero: nothing is masked
        result = build_augmentation(3, **only("gamma"))(sample, 0)["image"]
        for before, after in zip(sample["image"], result, strict=True):
            assert after.mean() == pytest.approx(float(before.mean()), abs=1e-3)
            assert after.std() == pytest.approx(float(before.std()), rel=1e-3)
            # A power law keeps the order of intensities.
            assert torch.equal(before.flatten().argsort()[:10], after.flatten().argsort()[:10])

    @pytest.mark.parametrize("part", ["brightness", "contrast"])
    def test_linear_and_different_per_channel(self, part):
        sample = patch()
        image = sample["image"][:, 3:]
        result = build_augmentation(3, **only(part))(sample, 0)["image"][:, 3:]
        found = (result - image if part == "brightness" else result / image).flatten(1)
        spread = found.max(1).values - found.min(1).values
        assert (spread < 1e-3).all()
        values = found.mean(1)
        assert values.unique().numel() == 4
        low, high = (-0.2, 0.2) if part == "brightness" else (0.75, 1.25)
        assert (values >= low - 1e-3).all()
        assert (values <= high + 1e-3).all()

    def test_noise_level(self):
        sample = patch(side=24)
        change = build_augmentation(3, **only("noise", noise_std=0.3))(sample, 0)["image"] - sample["image"]
        assert 0 < change[:, 3:].std() <= 0.31

    def test_blur_and_low_resolution_smooth_some_channels(self):
        sample = patch(side=24)
        for part in ("blur", "low_resolution"):
            augment = build_augmentation(3, **only(part))
            changed = [
                (augment(sample, seed)["image"] != sample["image"]).flatten(1).any(1).tolist()
                for seed in range(8)
            ]
            share = np.mean(changed)
            assert 0.2 < share < 0.8

    def test_dropout_blanks_whole_modalities_but_never_all(self):
        augment = build_augmentation(3, **only("modality_dropout"))
        sample = patch()
        numbers = []
        for seed in range(60):
            result = augment(sample, seed)["image"]
            kept = [bool(channel.any()) for channel in result]
            numbers.append(kept.count(False))
            for channel, stays in enumerate(kept):
                assert not stays or torch.equal(result[channel], sample["image"][channel])
        assert set(numbers) == {1, 2, 3}

    def test_dropout_leaves_a_single_modality_alone(self):
        sample = patch(channels=1)
        result = build_augmentation(3, **only("modality_dropout"))(sample, 0)
        assert torch.equal(result["image"], sample["image"])

    def test_probability_is_a_frequency(self):
        augment = build_augmentation(2, **{**OFF, "contrast_probability": 0.3})
        sample = patch(2, side=4)
        changed = [not torch.equal(augment(sample, seed)["image"], sample["image"]) for seed in range(300)]
        assert 0.2 < np.mean(changed) < 0.4


@pytest.mark.parametrize(
    "wrong",
    [
        {"flip_probability": 1.5},
        {"noise_probability": -0.1},
        {"scaling_range": (0.0, 1.0)},
        {"gamma_range": (1.5, 0.7)},
        {"flip_axes": [3]},
        {"padding": "wrap"},
        {"output_size": (8, 8)},
    ],
)
def test_settings_that_cannot_work(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        build_augmentation(3, **wrong)
