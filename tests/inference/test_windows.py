"""Grid and weights of sliding windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from brats3d.inference.windows import Canvas, HalfCanvas, gaussian_profile, window_grid, window_starts


@settings(deadline=None, max_examples=50)
@given(data=st.data(), size=st.integers(1, 300), overlap=st.floats(0, 0.95))
def test_windows_cover_the_axis_with_the_overlap_asked_for(data: st.DataObject, size: int, overlap: float):
    window = data.draw(st.integers(1, size))
    starts = window_starts(size, window, overlap)
    assert starts[0] == 0
    assert starts[-1] + window == size
    strides = np.diff(starts)
    assert (strides > 0).all()
    assert (strides <= max(1, window * (1 - overlap) + 1e-6)).all()


@pytest.mark.parametrize(
    ("size", "window", "overlap", "starts"),
    [
        (10, 10, 0.5, (0,)),
        (10, 4, 0.5, (0, 2, 4, 6)),
        (11, 4, 0.5, (0, 1, 3, 5, 7)),
        (10, 5, 0.0, (0, 5)),
        (155, 128, 0.5, (0, 27)),
        (120, 100, 0.9, (0, 10, 20)),
    ],
)
def test_known_grids(size: int, window: int, overlap: float, starts: tuple[int, ...]):
    assert window_starts(size, window, overlap) == starts


def test_grid_is_the_product_of_the_axes():
    grid = window_grid([(0, 2), (1,)], (3, 4))
    assert grid == [(slice(0, 3), slice(1, 5)), (slice(2, 5), slice(1, 5))]


@pytest.mark.parametrize("window", [1, 2, 7, 32])
def test_profile_is_symmetric_and_at_most_one(window: int):
    profile = gaussian_profile(window)
    np.testing.assert_allclose(profile, profile[::-1])
    assert 0 < profile.min() <= profile.max() <= 1


def test_profile_has_an_eighth_of_the_window_as_standard_deviation():
    profile = gaussian_profile(9)
    assert profile[4] == 1
    assert profile[5] == pytest.approx(np.exp(-0.5 / (9 / 8) ** 2))


def test_canvas_is_the_weighted_mean():
    generator = torch.Generator().manual_seed(0)
    starts, window, shape = [(0, 2, 5), (0, 3)], (4, 5), (9, 8)
    windows = window_grid(starts, window)
    probabilities = torch.rand((len(windows), 2, *window), generator=generator)
    canvas = Canvas(starts, window, "cpu")
    canvas.add(windows[:2], probabilities[:2])
    canvas.add(windows[2:], probabilities[2:])
    result = canvas.mean()

    weights = np.outer(gaussian_profile(4), gaussian_profile(5))
    top, bottom = np.zeros((2, *shape)), np.zeros(shape)
    for place, values in zip(windows, probabilities.numpy(), strict=True):
        top[(slice(None), *place)] += values * weights
        bottom[place] += weights
    np.testing.assert_allclose(result.numpy(), top / bottom, rtol=1e-5)


def test_canvas_keeps_its_sum_when_it_moves_to_the_host():
    canvas = Canvas([(0,)], (2,), "cpu")
    assert not canvas.move_to_host()
    canvas._device = torch.device("meta")  # stands in for a GPU
    assert canvas.move_to_host()
    canvas.add([(slice(0, 2),)], torch.tensor([[[0.25, 0.75]]]))
    torch.testing.assert_close(canvas.mean(), torch.tensor([[0.25, 0.75]]))


def smooth(shape: tuple[int, ...], sigma: float, seed: int) -> np.ndarray:
    """Noise without detail below ``sigma`` voxels, float32 with standard deviation 1."""
    noise = np.random.default_rng(seed).standard_normal(shape)
    field = gaussian_filter(noise, [0, *[sigma] * (len(shape) - 1)])
    return (field / field.std()).astype(np.float32)


def logits_with_tumours(shape: tuple[int, ...]) -> np.ndarray:
    """Logits of three nested regions: sure of themselves but for a rim of a few voxels."""
    field = 8 * smooth((1, *shape), 7, seed=0)
    return np.concatenate([field - 10, field - 8, field - 6])


def painted(canvas: Canvas, windows: list, logits: np.ndarray) -> Canvas:
    """Paint windows whose networks do not quite agree, two at a time."""
    for first in range(0, len(windows), 2):
        chosen = windows[first : first + 2]
        disturbed = [
            logits[(slice(None), *window)] + 0.3 * smooth((3, 32, 32, 32), 3, seed=first + number)
            for number, window in enumerate(chosen)
        ]
        canvas.add(chosen, torch.sigmoid(torch.from_numpy(np.stack(disturbed))))
    return canvas


@pytest.mark.parametrize("overlap", [0.5, 0.75])
def test_a_sum_in_float16_gives_the_labels_of_one_in_float32(overlap: float):
    shape, window = (72, 80, 48), (32, 32, 32)
    starts = [window_starts(size, 32, overlap) for size in shape]
    windows, logits = window_grid(starts, window), logits_with_tumours(shape)
    full = painted(Canvas(starts, window, "cpu"), windows, logits).mean()
    canvas = painted(HalfCanvas(starts, window, "cpu"), windows, logits)
    assert canvas._sum is not None
    assert canvas._sum.dtype == torch.float16
    half = canvas.mean()
    assert half.dtype == torch.float32
    assert half.min() >= 0
    assert half.max() <= 1
    assert 0 < (half - full).abs().max() < 5e-3
    for region, expected in zip(half > 0.5, full > 0.5, strict=True):
        assert expected.sum() > 1000
        assert (region != expected).sum() <= 1e-3 * expected.sum()


def test_a_sum_in_float16_of_the_largest_probabilities_stays_within_bounds():
    starts = [window_starts(300, 32, 0.9)]
    windows = window_grid(starts, (32,))
    canvas = HalfCanvas(starts, (32,), "cpu")
    canvas.add(windows, torch.ones((len(windows), 1, 32)))
    assert canvas._sum is not None
    torch.testing.assert_close(canvas._sum.float(), torch.ones(1, 300), rtol=0, atol=5e-3)


@pytest.mark.parametrize("moves_after", [0, 1, 3])
def test_a_sum_in_float16_goes_on_in_float32_in_main_memory(moves_after: int):
    starts, window = [(0, 2, 5), (0, 3)], (4, 5)
    windows = window_grid(starts, window)
    probabilities = torch.rand((len(windows), 2, *window), generator=torch.Generator().manual_seed(0))
    full, canvas = Canvas(starts, window, "cpu"), HalfCanvas(starts, window, "cpu")
    full.add(windows, probabilities)
    for number, (place, values) in enumerate(zip(windows, probabilities, strict=True)):
        if number == moves_after:
            canvas._device = torch.device("meta")  # stands in for a GPU
            assert canvas.move_to_host()
            assert not canvas.move_to_host()
        canvas.add([place], values[None])
    assert canvas._sum is not None
    assert canvas._sum.dtype == torch.float32
    torch.testing.assert_close(canvas.mean(), full.mean(), rtol=0, atol=1e-3 if moves_after else 1e-6)


def test_every_window_weighs_something_everywhere():
    corner_of_a_large_window = gaussian_profile(256)[0] ** 3
    assert np.float32(corner_of_a_large_window) > np.finfo(np.float32).tiny
