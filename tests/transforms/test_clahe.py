"""Adaptive equalisation of the contrast, against loops over pixels, scikit-image, and answers by hand."""

from __future__ import annotations

import numpy as np
import pytest

from brats3d.transforms.clahe import EqualiseAdaptivelyd, EqualiseLightness, equalise_adaptively
from brats3d.transforms.preprocessing import Preprocessing

BINS = 256


def by_loops(picture: np.ndarray, inside: np.ndarray, clip_limit: float, tiles: int) -> np.ndarray:
    """The same for one slice, pixel by pixel as the papers say it."""
    height, width = picture.shape
    sides = [int(np.ceil(size / tiles)) for size in picture.shape]
    counts = [int(np.ceil(size / side)) for size, side in zip(picture.shape, sides, strict=True)]
    level = np.minimum((picture * BINS).astype(int), BINS - 1)
    tables = np.zeros((*counts, BINS))
    for row in range(counts[0]):
        for column in range(counts[1]):
            tile = np.s_[row * sides[0] : (row + 1) * sides[0], column * sides[1] : (column + 1) * sides[1]]
            values = level[tile][inside[tile]]
            share = np.full(BINS, 1 / BINS)
            if values.size:
                share = np.array([(values == value).sum() for value in range(BINS)]) / values.size
            cut = np.minimum(share, clip_limit / BINS)
            tables[row, column] = np.cumsum(cut + (1 - cut.sum()) / BINS)
    result = np.zeros(picture.shape)
    for y in range(height):
        for x in range(width):
            row, column = (y + 0.5) / sides[0] - 0.5, (x + 0.5) / sides[1] - 0.5
            for r in (int(np.floor(row)), int(np.floor(row)) + 1):
                for c in (int(np.floor(column)), int(np.floor(column)) + 1):
                    weight = (1 - abs(row - r)) * (1 - abs(column - c))
                    table = tables[min(max(r, 0), counts[0] - 1), min(max(c, 0), counts[1] - 1)]
                    result[y, x] += weight * table[level[y, x]]
    return np.where(inside, result, 0)


def sample(image: np.ndarray, view: np.ndarray) -> dict[str, object]:
    return {"image": image, "fields_of_view": view, "backgrounds": [0.0] * len(image)}


@pytest.mark.parametrize(("clip_limit", "tiles"), [(2.0, 8), (1.0, 2), (4.0, 3), (40.0, 1)])
def test_slices_are_equalised_as_pixel_by_pixel(clip_limit: float, tiles: int) -> None:
    generator = np.random.default_rng(0)
    slices = generator.random((2, 27, 20)) ** 3
    inside = generator.random(slices.shape) < 0.7
    found = equalise_adaptively(slices, inside, clip_limit=clip_limit, tiles=tiles)
    assert found.dtype == np.float32
    for picture, mask, result in zip(slices, inside, found, strict=True):
        np.testing.assert_allclose(result, by_loops(picture, mask, clip_limit, tiles), atol=1e-5)


def test_it_agrees_with_scikit_image() -> None:
    exposure = pytest.importorskip("skimage.exposure")
    rows, columns = np.mgrid[0:256, 0:256] / 4
    picture = (rows + columns) / 252 + 0.3 * np.exp(-((rows - 30) ** 2 + (columns - 20) ** 2) / 60)
    picture += np.random.default_rng(1).normal(0, 0.02, picture.shape)
    picture = (picture - picture.min()) / np.ptp(picture)
    ours = equalise_adaptively(picture[None], np.ones((1, 256, 256), dtype=bool))[0]
    theirs = exposure.equalize_adapthist(picture, kernel_size=32, clip_limit=2 / BINS, nbins=BINS)
    # scikit-image stretches its result to [0, 1], clips whole counts and mirrors the border.
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.98


def test_a_limit_of_one_leaves_evenly_frequent_levels_as_they_are() -> None:
    slices = np.random.default_rng(2).permutation(BINS).reshape(1, 16, 16) / BINS
    found = equalise_adaptively(slices, np.ones(slices.shape, dtype=bool), clip_limit=1.0, tiles=1)
    np.testing.assert_allclose(found, slices, atol=1.01 / BINS)


def test_without_a_limit_one_tile_is_plain_equalisation() -> None:
    # A quarter of the voxels at each of four dark levels: their ranks are 1/4, 2/4, 3/4 and 1.
    slices = np.repeat([0.0, 0.01, 0.02, 0.03], 16).reshape(1, 8, 8)
    found = equalise_adaptively(slices, np.ones(slices.shape, dtype=bool), clip_limit=BINS, tiles=1)
    np.testing.assert_allclose(np.unique(found), [0.25, 0.5, 0.75, 1.0], atol=1e-6)


def test_contrast_grows_where_it_was_low() -> None:
    slices = 0.5 + 0.02 * np.random.default_rng(3).random((1, 64, 64))
    found = equalise_adaptively(slices, np.ones(slices.shape, dtype=bool), clip_limit=8.0)
    assert found.std() > 3 * slices.std()


def test_a_constant_slice_stays_constant() -> None:
    found = equalise_adaptively(np.full((2, 16, 16), 0.5), np.ones((2, 16, 16), dtype=bool))
    assert np.ptp(found) < 1e-6


def test_a_background_stays_zero_and_does_not_count() -> None:
    generator = np.random.default_rng(4)
    image = np.zeros((1, 40, 40, 3), dtype=np.float32)
    view = np.zeros(image.shape, dtype=bool)
    view[:, 8:32, 8:32] = True
    image[view] = generator.normal(100, 10, view.sum())
    other = np.where(view, image, np.float32(-7))
    found = EqualiseAdaptivelyd(axis=2)(sample(image, view))
    assert not found["image"][~view].any()
    assert found["image"].min() >= 0
    assert found["image"].max() <= 1
    np.testing.assert_array_equal(found["image"], EqualiseAdaptivelyd(axis=2)(sample(other, view))["image"])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_are_counted_along_the_axis(axis: int) -> None:
    volume = np.random.default_rng(5).random((18, 20, 22)).astype(np.float32)
    view = np.ones((1, *volume.shape), dtype=bool)
    found = EqualiseAdaptivelyd(axis)(sample(volume[None], view))["image"][0]
    scaled = (volume - volume.min()) / np.ptp(volume)
    third = np.take(scaled, 3, axis=axis)
    expected = equalise_adaptively(third[None], np.ones((1, *third.shape), dtype=bool))[0]
    np.testing.assert_allclose(np.take(found, 3, axis=axis), expected, atol=1e-6)


@pytest.mark.parametrize("orientation", ["RAS", "SPL"])
def test_axial_slices_are_meant_whatever_the_orientation(make_case, orientation: str) -> None:
    upright = Preprocessing(normalise="none", clahe=True).prepare(make_case(), with_label=False).image
    turned = Preprocessing(normalise="none", clahe=True, orientation=orientation)
    image = turned.prepare(make_case(), with_label=False).image
    if orientation == "SPL":
        image = image.transpose(0, 3, 2, 1)[:, ::-1, ::-1]
    # Tiles are counted from the other end of a mirrored axis, so that only their size is the same.
    assert np.corrcoef(image.ravel(), upright.ravel())[0, 1] > 0.9


def test_in_colours_lightness_changes_and_hue_stays() -> None:
    color = pytest.importorskip("skimage.color")
    generator = np.random.default_rng(6)
    lightness = 40 + 10 * generator.random((32, 32))
    lab = np.stack([lightness, np.full((32, 32), 12.0), np.full((32, 32), -9.0)])
    picture = color.lab2rgb(lab, channel_axis=0).astype(np.float32)
    found = color.rgb2lab(EqualiseLightness(clip_limit=3.0)(picture), channel_axis=0)
    assert found[0].std() > 1.5 * lightness.std()
    np.testing.assert_allclose(found[1:], lab[1:], atol=0.05)
    expected = equalise_adaptively(lightness[None] / 100, np.ones((1, 32, 32), dtype=bool), clip_limit=3.0)
    np.testing.assert_allclose(found[0], 100 * expected[0], atol=0.5)
