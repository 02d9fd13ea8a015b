"""Smoothing inside the brain, against scipy without a mask, loops over voxels, and known noise."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
from scipy import ndimage

from brats3d.errors import ConfigError, MissingExtraError
from brats3d.transforms.preprocessing import Preprocessing
from brats3d.transforms.smoothing import SMOOTHERS, SmoothInBraind, noise_std

EVERYWHERE = np.ones((12, 11, 10), dtype=bool)
every_method = pytest.mark.parametrize("method", SMOOTHERS)


def smoothed(
    volume: np.ndarray,
    view: np.ndarray = EVERYWHERE,
    *,
    method: str,
    strength: float | None = None,
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> np.ndarray:
    data = {"image": volume[None].astype(np.float32), "fields_of_view": view[None], "spacing_mm": spacing_mm}
    return np.asarray(SmoothInBraind(method, strength)(data)["image"][0])


def noise(seed: int = 0, shape: tuple[int, ...] = EVERYWHERE.shape) -> np.ndarray:
    return np.random.default_rng(seed).normal(5, 1, shape).astype(np.float32)


def test_gaussian_is_a_kernel_of_five_voxels_as_wide_as_it_says() -> None:
    volume = np.zeros((11, 11, 11), dtype=np.float32)
    volume[5, 5, 5] = 1
    found = smoothed(volume, np.ones(volume.shape, dtype=bool), method="gaussian")
    line = np.exp(-0.5 * (np.arange(-2, 3) / 1.1) ** 2)
    line /= line.sum()
    np.testing.assert_allclose(found[3:8, 5, 5], line * line[2] ** 2, rtol=1e-5)
    assert np.count_nonzero(found) == 5**3


def test_gaussian_is_measured_in_millimetres() -> None:
    volume = noise()
    found = smoothed(volume, method="gaussian", strength=2.0, spacing_mm=(1.0, 2.0, 6.0))
    # Weights are shared out anew at the border, so compare what is far enough from it.
    expected = ndimage.gaussian_filter(volume, (2.0, 1.0, 2 / 6), truncate=2 / 1.1)
    np.testing.assert_allclose(found[4:-4, 2:-2], expected[4:-4, 2:-2], rtol=1e-4)
    through = smoothed(volume, method="gaussian", strength=1.1, spacing_mm=(100.0, 100.0, 1.0))
    np.testing.assert_allclose(through[:, :, 5], (smooth_line(volume))[:, :, 5], rtol=1e-4)


def smooth_line(volume: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter1d(volume, 1.1, axis=2, truncate=2 / 1.1)


def test_gaussian_in_the_brain_is_the_weighted_mean_of_brain() -> None:
    volume, view = noise(1), np.random.default_rng(2).random(EVERYWHERE.shape) < 0.5
    found = smoothed(np.where(view, volume, 1000), view, method="gaussian")
    line = np.exp(-0.5 * (np.arange(-2, 3) / 1.1) ** 2)
    kernel = line[:, None, None] * line[None, :, None] * line[None, None, :]
    for x, y, z in [(5, 5, 5), (4, 6, 5), (6, 4, 3)]:
        box = np.s_[x - 2 : x + 3, y - 2 : y + 3, z - 2 : z + 3]
        if view[x, y, z]:
            expected = (kernel * view[box] * volume[box]).sum() / (kernel * view[box]).sum()
            assert found[x, y, z] == pytest.approx(expected, rel=1e-5)
        else:
            assert found[x, y, z] == 1000


def test_median_is_scipys_and_takes_specks_away() -> None:
    volume = noise(3)
    np.testing.assert_array_equal(
        smoothed(volume, method="median"), ndimage.median_filter(volume, size=3, mode="nearest")
    )
    np.testing.assert_array_equal(
        smoothed(volume, method="median", strength=2), ndimage.median_filter(volume, size=5, mode="nearest")
    )
    speck = np.full(EVERYWHERE.shape, 3.0, dtype=np.float32)
    speck[6, 6, 6] = 99
    assert (smoothed(speck, method="median") == 3).all()


def test_non_local_means_lowers_the_noise_and_keeps_the_edge() -> None:
    pytest.importorskip("skimage")
    step = np.zeros((20, 20, 20), dtype=np.float32)
    step[10:] = 100
    noisy = step + np.random.default_rng(0).normal(0, 3, step.shape).astype(np.float32)
    found = smoothed(noisy, np.ones(step.shape, dtype=bool), method="non_local_means")
    assert found[2:8].std() < 0.7 * noisy[2:8].std()
    assert found[11].mean() - found[8].mean() > 95


@pytest.mark.parametrize("std", [0.5, 8.0])
def test_noise_is_estimated(std: float) -> None:
    volume = np.random.default_rng(4).normal(0, std, (48, 24, 24)).astype(np.float32)
    volume[24:] += 200
    view = np.zeros(volume.shape, dtype=bool)
    view[2:-2, 2:-2, 2:-2] = True
    assert noise_std(volume, view) == pytest.approx(std, rel=0.1)
    assert noise_std(np.ones_like(volume), view) == 0
    assert noise_std(volume, np.zeros_like(view)) == 0


@every_method
def test_the_background_stays_and_does_not_bleed_in(method: str) -> None:
    volume = noise(5)
    view = np.zeros(EVERYWHERE.shape, dtype=bool)
    view[3:9, 3:9, 2:8] = True
    zero = smoothed(np.where(view, volume, 0), view, method=method)
    assert not zero[~view].any()
    far = smoothed(np.where(view, volume, -1000), view, method=method)
    np.testing.assert_allclose(far[view], zero[view], rtol=1e-4)
    assert zero[view].min() >= volume[view].min() - 1e-4


@every_method
def test_a_single_slice_is_smoothed_in_its_plane(method: str) -> None:
    pytest.importorskip("skimage")
    picture = np.random.default_rng(7).normal(0, 2, (40, 40, 1)).astype(np.float32)
    view = np.ones(picture.shape, dtype=bool)
    assert noise_std(picture, view) == pytest.approx(2, rel=0.1)
    assert smoothed(picture, view, method=method).std() < 0.7 * picture.std()


@every_method
def test_a_constant_stays_constant(method: str) -> None:
    constant = np.full(EVERYWHERE.shape, 7.0, dtype=np.float32)
    np.testing.assert_allclose(smoothed(constant, method=method), constant, rtol=1e-5)


@every_method
def test_the_given_image_is_left_as_it_is(method: str) -> None:
    image = noise(6)[None]
    before = image.copy()
    SmoothInBraind(method)(
        {"image": image, "fields_of_view": EVERYWHERE[None], "spacing_mm": (1.0, 1.0, 1.0)}
    )
    np.testing.assert_array_equal(image, before)


def test_message_without_scikit_image(make_case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.restoration", None)
    with pytest.raises(MissingExtraError, match=r"pip install .brats3d\[classical\]"):
        Preprocessing(denoise="non_local_means").prepare(make_case(), with_label=False)


class TestSettings:
    """The settings of smoothing and contrast in the chain."""

    @pytest.mark.parametrize(
        ("wrong", "key"),
        [
            ({"clahe_clip": 0.5}, "preprocess.clahe_clip"),
            ({"denoise_strength": 1.0}, "preprocess.denoise_strength"),
            ({"denoise": "curvature_flow", "denoise_strength": 1.0}, "preprocess.denoise_strength"),
            ({"denoise": "median", "denoise_strength": 1.5}, "preprocess.denoise_strength"),
            ({"denoise": "gaussian", "denoise_strength": 0.0}, "preprocess.denoise_strength"),
        ],
    )
    def test_what_cannot_work_is_named(self, wrong: dict[str, object], key: str) -> None:
        with pytest.raises(ConfigError) as caught:
            Preprocessing(**wrong)  # type: ignore[arg-type]
        assert caught.value.where == key

    def test_each_has_a_key_of_its_own_and_unused_ones_have_none(self) -> None:
        variants = [
            Preprocessing(),
            Preprocessing(clahe=True),
            Preprocessing(clahe=True, clahe_clip=3.0),
            Preprocessing(denoise="gaussian"),
            Preprocessing(denoise="gaussian", denoise_strength=2.0),
            Preprocessing(denoise="median"),
            Preprocessing(denoise="non_local_means"),
            Preprocessing(normalise="minmax"),
        ]
        assert len({variant.key() for variant in variants}) == len(variants)
        known_before = {field.name for field in dataclasses.fields(Preprocessing)}
        known_before -= {"clahe", "clahe_clip", "denoise_strength"}
        assert set(Preprocessing().settings()) == known_before
        for variant in variants:
            assert Preprocessing(**variant.settings()) == variant

    # The key that stores have had since before these settings.
    def test_the_usual_key_is_that_of_before(self) -> None:
        assert Preprocessing().key() == "v1-18efbbaf3404f797"

    def test_minmax_has_the_levels_of_eight_bits(self, make_case) -> None:
        prepared = Preprocessing(normalise="minmax").prepare(make_case(background=-2.0), with_label=False)
        for channel in prepared.image:
            inside = channel[prepared.brain]
            assert (inside.min(), inside.max()) == (0, 1)
            np.testing.assert_allclose(inside * 255, np.rint(inside * 255), atol=1e-4)
            assert not channel[~prepared.brain].any()

    @pytest.mark.parametrize(
        "settings",
        [{"clahe": True}, *({"denoise": method} for method in SMOOTHERS)],
        ids=lambda settings: str(next(iter(settings.values()))),
    )
    def test_the_chain_gives_what_a_network_sees(self, make_case, settings: dict[str, object]) -> None:
        plain = Preprocessing().prepare(make_case(), with_label=False)
        prepared = Preprocessing(**settings).prepare(make_case(), with_label=False)  # type: ignore[arg-type]
        np.testing.assert_array_equal(prepared.brain, plain.brain)
        assert prepared.restoration == plain.restoration
        assert not prepared.image[:, ~prepared.brain].any()
        assert np.abs(prepared.image - plain.image).max() > 0.01
        for channel in prepared.image:
            assert channel[prepared.brain].mean() == pytest.approx(0, abs=1e-4)
            assert channel[prepared.brain].std() == pytest.approx(1, abs=1e-4)
