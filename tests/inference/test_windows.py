"""Grid and weights of sliding windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from brats3d.inference.windows import Canvas, gaussian_profile, window_grid, window_starts


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


def test_every_window_weighs_something_everywhere():
    corner_of_a_large_window = gaussian_profile(256)[0] ** 3
    assert np.float32(corner_of_a_large_window) > np.finfo(np.float32).tiny
