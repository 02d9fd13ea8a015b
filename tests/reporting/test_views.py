"""Where left and right, front and back, top and bottom are in the pictures."""

from __future__ import annotations

import numpy as np
import pytest

from brats3d.reporting.views import PLANES, box_around, central_voxel, largest_slice, planes_of

SHAPE = (5, 7, 9)
# Letter to the voxel of (X, Y, Z) that is furthest in its direction (RAS+).
SIDES = {"R": (4, 3, 4), "L": (0, 3, 4), "A": (2, 6, 4), "P": (2, 0, 4), "S": (2, 3, 8), "I": (2, 3, 0)}


@pytest.mark.parametrize("plane", PLANES.values(), ids=PLANES.keys())
def test_the_letters_stand_where_these_sides_are(plane) -> None:
    middle = [size // 2 for size in SHAPE]
    edges = ((None, 0), (None, -1), (0, None), (-1, None))
    for letter, row_and_column in zip(plane.letters, edges, strict=True):
        volume = np.zeros(SHAPE)
        volume[SIDES[letter]] = 1
        picture = plane.picture(volume, middle[plane.axis])
        row, column = (
            size // 2 if place is None else place
            for place, size in zip(row_and_column, picture.shape, strict=True)
        )
        assert picture[row, column] == 1, letter


def test_thick_slices_make_high_pixels() -> None:
    aspects = [plane.pixel_aspect((1.0, 2.0, 6.0)) for plane in PLANES.values()]
    assert aspects == [2.0, 6.0, 3.0]


def test_a_single_slice_is_looked_at_from_one_side() -> None:
    assert [plane.name for plane in planes_of((8, 8, 1))] == ["axial"]
    assert [plane.name for plane in planes_of((1, 8, 8))] == ["sagittal"]
    assert len(planes_of((8, 8, 8))) == 3


def test_the_middle_of_a_ring_is_on_the_ring() -> None:
    ring = np.zeros((9, 9, 3), dtype=bool)
    ring[1:8, 1:8, 1] = True
    ring[2:7, 2:7, 1] = False
    assert ring[central_voxel(ring, (1.0, 1.0, 1.0))]


def test_the_slice_with_most() -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[0, 0, :3] = True
    mask[:, :, 6] = True
    assert largest_slice(mask, PLANES["axial"]) == 6
    assert largest_slice(mask, PLANES["sagittal"]) == 0


def test_a_box_stays_in_the_volume_and_holds_an_empty_mask() -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    assert box_around(mask, 1) == (slice(0, 5), slice(0, 7), slice(0, 9))
    mask[0, 3, 4] = True
    assert box_around(mask, 2) == (slice(0, 3), slice(1, 6), slice(2, 7))
