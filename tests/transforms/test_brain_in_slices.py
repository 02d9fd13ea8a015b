"""Single slices: the brain, its holes and its background are looked for in the plane."""

from __future__ import annotations

import numpy as np

from brats3d.transforms.brain import background_constant, find_brain, with_holes_filled


def ring() -> np.ndarray:
    """A ring of 1 to 2 on 0, with 0 inside; ``(16, 16, 1)``."""
    x, y = np.mgrid[-8:8, -8:8]
    radius = np.hypot(x, y)
    values = np.random.default_rng(0).uniform(1, 2, (16, 16))
    return np.where((radius > 2) & (radius < 6), values, 0.0)[..., None].astype(np.float32)


def test_the_background_is_that_of_the_edges() -> None:
    image = ring()
    image[6:10, 6:10] = 3.0
    assert background_constant(image) == 0.0
    assert background_constant(np.ones((4, 4, 1)) + np.arange(16).reshape(4, 4, 1)) is None


def test_what_a_ring_encloses_is_brain() -> None:
    brain = find_brain(ring()[None])
    assert brain[8, 8, 0]
    assert not brain[0, 0, 0]
    np.testing.assert_array_equal(brain, with_holes_filled(ring() > 0))


def test_a_tube_is_open_and_a_slice_of_it_is_not() -> None:
    stack = np.repeat(ring(), 5, axis=2)
    open_above_and_below = find_brain(stack[None])
    assert not open_above_and_below[8, 8, 2]
    np.testing.assert_array_equal(
        find_brain(stack[..., :1][None])[..., 0], with_holes_filled(ring() > 0)[..., 0]
    )
