"""Connected components."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from brats3d.postprocessing.components import bounding_box, largest_component, without_small_components

MASKS = npst.arrays(bool, npst.array_shapes(min_dims=2, max_dims=3, max_side=7))


def cubes() -> np.ndarray:
    """Components of 27, 8 and 1 voxels; the single one touches the middle one at a corner."""
    mask = np.zeros((12, 12, 12), bool)
    mask[0:3, 0:3, 0:3] = True
    mask[6:8, 6:8, 6:8] = True
    return mask


def test_components_below_the_volume_go_and_those_at_it_stay():
    mask = cubes()
    voxel_ml = 0.001
    assert without_small_components(mask, 0.0, voxel_ml).sum() == 35
    assert without_small_components(mask, 0.008, voxel_ml).sum() == 35
    assert without_small_components(mask, 0.0081, voxel_ml).sum() == 27
    assert without_small_components(mask, 0.028, voxel_ml).sum() == 0


@pytest.mark.parametrize("voxel_ml", [1 / 3 * 1e-3, 0.7**3 * 1e-3, 0.1])
def test_rounding_of_the_voxel_volume_removes_nothing(voxel_ml: float):
    assert without_small_components(cubes(), 8 * voxel_ml, voxel_ml).sum() == 35


def test_voxels_that_touch_at_a_corner_belong_together():
    mask = cubes()
    mask[8, 8, 8] = True
    assert without_small_components(mask, 9, 1.0).sum() == 36
    flat = np.eye(4, dtype=bool)
    assert without_small_components(flat, 4, 1.0).sum() == 4


def test_largest_component():
    assert largest_component(cubes()).sum() == 27
    tie = np.array([[1, 0, 1], [1, 0, 1]], dtype=bool)
    np.testing.assert_array_equal(largest_component(tie), [[1, 0, 0], [1, 0, 0]])
    assert not largest_component(np.zeros((3, 3, 3), bool)).any()


def test_the_mask_given_is_left_as_it_is():
    mask = cubes()
    without_small_components(mask, 0.02, 0.001)
    largest_component(mask)
    np.testing.assert_array_equal(mask, cubes())


@settings(deadline=None, max_examples=50)
@given(mask=MASKS, least=st.integers(0, 6))
def test_what_is_kept_was_there_and_stays(mask: np.ndarray, least: int):
    once = without_small_components(mask, least, 1.0)
    assert not (once & ~mask).any()
    np.testing.assert_array_equal(without_small_components(once, least, 1.0), once)
    np.testing.assert_array_equal(without_small_components(mask[::-1], least, 1.0), once[::-1])


@settings(deadline=None, max_examples=50)
@given(mask=MASKS)
def test_bounding_box_is_tight(mask: np.ndarray):
    box = bounding_box(mask)
    if box is None:
        assert not mask.any()
        return
    assert mask[box].sum() == mask.sum()
    for axis in range(mask.ndim):
        for edge in (0, -1):
            assert mask[box].take(edge, axis=axis).any()
