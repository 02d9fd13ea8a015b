"""Surface distances against closed forms, a distance transform and stored results of other packages."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from brats3d.errors import ConfigError, DataError
from brats3d.metrics import SURFACE_DEFINITIONS, surface_distances
from brats3d.metrics.surface_elements import element_sizes

SPACINGS = {2: (0.6, 2.2), 3: (0.7, 1.3, 2.5)}
QUICK = settings(deadline=None, max_examples=40)


def blobs(seed: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Two unlike masks with many surfaces, the first without its end, the second without its start."""
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(2):
        noise = rng.random(shape)
        for axis in range(len(shape)):
            noise = (noise + np.roll(noise, 1, axis)) / 2
        masks.append(noise > 0.55)
    masks[0][shape[0] * 2 // 3 :] = False
    masks[1][: shape[0] // 4] = False
    return masks[0], masks[1]


def box(shape: tuple[int, ...], start: tuple[int, ...], stop: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    return mask


@st.composite
def mask_pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    shape = draw(st.sampled_from([(5, 6), (4, 5, 3), (3, 3, 6)]))
    masks = [draw(arrays(bool, shape)) for _ in range(2)]
    for mask in masks:
        mask[tuple(draw(st.integers(0, size - 1)) for size in shape)] = True
    return masks[0], masks[1]


# Computed with surface-distance 0.1 (95 % and 100 %) and medpy 0.5.2 (hd95 and hd).
@pytest.mark.parametrize(
    ("seed", "shape", "spacing", "area", "pooled"),
    [
        (
            1,
            (20, 22, 18),
            (1, 1, 1),
            (6.082762530298219, 8.06225774829855),
            (6.082762530298219, 8.06225774829855),
        ),
        (2, (17, 12, 23), (0.7, 1.3, 2.5), (4.2, 5.06951674225463), (4.2, 5.06951674225463)),
        (3, (9, 30, 11), (5, 0.8, 0.8), (15.0, 15.42076522096099), (15.02131818450032, 15.42076522096099)),
        (4, (40, 37), (1, 1), (13.0, 14.866068747318506), (11.911409973215868, 14.866068747318506)),
        (5, (31, 44), (0.6, 2.2), (6.957010852370434, 9.0), (6.6, 9.264987857520376)),
    ],
)
def test_other_packages_results(seed, shape, spacing, area, pooled):
    prediction, reference = blobs(seed, shape)
    for definition, expected in (("area", area), ("pooled", pooled)):
        measured = surface_distances(prediction, reference, spacing_mm=spacing, definition=definition)
        assert (measured.hausdorff_mm(95), measured.hausdorff_mm(100)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("definition", SURFACE_DEFINITIONS)
def test_shifted_cube(definition):
    """A cube shifted by 6 voxels of 0.5 mm: the far faces, more than 5 % of the surface, are 3 mm away."""
    prediction = box((30, 20, 20), (5, 5, 5), (15, 15, 15))
    reference = np.roll(prediction, 6, axis=0)
    measured = surface_distances(prediction, reference, spacing_mm=(0.5, 1.0, 1.0), definition=definition)
    assert measured.hausdorff_mm(95) == pytest.approx(3.0)
    assert measured.hausdorff_mm(100) == pytest.approx(3.0)


@pytest.mark.parametrize("definition", SURFACE_DEFINITIONS)
def test_single_voxels(definition):
    prediction, reference = np.zeros((2, 9, 9, 9), dtype=bool)
    prediction[1, 1, 1] = reference[4, 5, 8] = True
    measured = surface_distances(prediction, reference, spacing_mm=(1, 2, 3), definition=definition)
    between_centres = math.hypot(3, 8, 21)
    corners = list(itertools.product((0, 1), repeat=3))
    between_corners = max(
        min(math.hypot(3 + x - a, 2 * (4 + y - b), 3 * (7 + z - c)) for x, y, z in corners)
        for a, b, c in corners
    )
    expected = between_corners if definition == "area" else between_centres
    assert measured.hausdorff_mm(100) == pytest.approx(expected)


def voxel_and_row(spacing: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """One voxel, and a row of three along the last axis that starts with it."""
    prediction, reference = np.zeros((2, *(5,) * len(spacing)), dtype=bool)
    row = (2,) * (len(spacing) - 1)
    prediction[(*row, 1)] = True
    reference[(*row, slice(1, 4))] = True
    return prediction, reference


@pytest.mark.parametrize("spacing", [(2.0, 3.0), (2.0, 5.0, 3.0)])
def test_average_and_nsd_of_border_voxels(spacing):
    """From the voxel 0 mm; from the row 0, 3 and 6 mm."""
    measured = {
        name: surface_distances(*voxel_and_row(spacing), spacing_mm=spacing, definition=name)
        for name in ("directed", "pooled")
    }
    assert measured["directed"].average_mm() == pytest.approx((0 + 0 + 3 + 6) / 4)
    assert measured["pooled"].average_mm() == pytest.approx((0 + (0 + 3 + 6) / 3) / 2)
    for tolerance, near in ((0, 1), (2.9, 1), (3, 2), (5.9, 2), (6, 3)):
        assert measured["directed"].nsd(tolerance) == pytest.approx((1 + near) / 4)
        assert measured["pooled"].nsd(tolerance) == pytest.approx((1 + near / 3) / 2)


@pytest.mark.parametrize(
    ("spacing", "ends", "sides"),
    [
        ((2.0, 3.0), 2 * math.hypot(2, 3) / 2, 2 * 3),
        ((2.0, 5.0, 3.0), 4 * math.hypot(15, 6, 10) / 8, 4 * math.hypot(15, 6) / 2),
    ],
)
def test_average_and_nsd_of_elements(spacing, ends, sides):
    """Four planes of corners: ends and sides at 0 mm, sides at 3 mm, ends at 6 mm; the voxel has two ends."""
    prediction, reference = voxel_and_row(spacing)
    measured = surface_distances(prediction, reference, spacing_mm=spacing)
    turned = surface_distances(reference, prediction, spacing_mm=spacing)
    row = 2 * ends + 2 * sides
    for result in (measured, turned):
        assert result.average_mm() == pytest.approx((0 + (3 * sides + 6 * ends) / row) / 2)
        for tolerance, near in ((0, ends + sides), (3, ends + 2 * sides), (6, row)):
            assert result.nsd(tolerance) == pytest.approx((2 * ends + near) / (2 * ends + row))


@pytest.mark.parametrize("definition", SURFACE_DEFINITIONS)
def test_distance_equal_to_the_tolerance_is_within(definition):
    """In floating point 3 * 0.1 is more than 0.3."""
    prediction, reference = np.zeros((2, 3, 3, 8), dtype=bool)
    prediction[1, 1, 1] = reference[1, 1, 4] = True
    measured = surface_distances(prediction, reference, spacing_mm=(0.1, 0.1, 0.1), definition=definition)
    assert measured.hausdorff_mm(100) > 0.3
    assert measured.nsd(0.3) == 1
    assert measured.nsd(0.2999) < 1
    assert measured.nsd(0) == 0


def test_mask_at_the_edge_of_the_image_has_a_surface_there():
    full = np.ones((4, 4, 4), dtype=bool)
    inner = box((4, 4, 4), (1, 1, 1), (3, 3, 3))
    assert surface_distances(full, inner, spacing_mm=(1, 1, 1)).hausdorff_mm(100) == pytest.approx(
        math.sqrt(3)
    )


@QUICK
@given(mask_pairs())
def test_distances_are_those_of_a_distance_transform(masks):
    prediction, reference = (np.pad(mask, 1) for mask in masks)
    spacing = SPACINGS[prediction.ndim]
    borders = [mask & ~ndimage.binary_erosion(mask) for mask in (prediction, reference)]
    expected = ndimage.distance_transform_edt(~borders[1], sampling=spacing)[borders[0]]
    measured = surface_distances(*masks, spacing_mm=spacing, definition="directed")
    np.testing.assert_allclose(np.sort(measured.to_reference_mm), np.sort(expected), atol=1e-9)


@QUICK
@given(arrays(bool, (2, 2, 2)))
def test_element_areas_have_the_symmetries_of_a_box(corners):
    spacing = SPACINGS[3]

    def area(mask, mm=spacing):
        code = sum(1 << bit for bit, inside in enumerate(mask.ravel()) if inside)
        return element_sizes(tuple(mm))[code]

    assert area(~corners) == pytest.approx(area(corners))
    for axis in range(3):
        assert area(np.flip(corners, axis)) == pytest.approx(area(corners))
    for order in itertools.permutations(range(3)):
        turned = area(corners.transpose(order), [spacing[axis] for axis in order])
        assert turned == pytest.approx(area(corners))


def test_element_areas_in_closed_form():
    sizes = element_sizes((1.0, 1.0, 1.0))
    assert sizes[0] == sizes[255] == 0
    assert sizes[0b00000001] == pytest.approx(math.sqrt(3) / 8)  # a corner
    assert sizes[0b00000011] == pytest.approx(math.sqrt(2) / 2)  # an edge
    assert sizes[0b00001111] == pytest.approx(1)  # a face
    assert sizes[0b00010111] == pytest.approx(3 * math.sqrt(3) / 4)  # a corner and its neighbours
    assert element_sizes((3.0, 4.0)).tolist() == pytest.approx(
        [0, 2.5, 2.5, 4, 2.5, 3, 5, 2.5, 2.5, 5, 3, 2.5, 4, 2.5, 2.5, 0]
    )


def test_faces_of_a_box_add_up():
    """Faces count by their area, edges are bevelled by half a voxel, corners cut off."""
    mask = box((14, 14, 14), (2, 2, 2), (12, 10, 8))
    total = surface_distances(mask, mask, spacing_mm=(1, 1, 1)).prediction_sizes.sum()
    faces = 2 * (9 * 7 + 9 * 5 + 7 * 5)
    edges = 4 * (9 + 7 + 5) * math.sqrt(2) / 2
    assert total == pytest.approx(faces + edges + 8 * math.sqrt(3) / 8)


def test_user_errors():
    mask = np.ones((3, 3), dtype=bool)
    with pytest.raises(ConfigError, match="did you mean 'directed'"):
        surface_distances(mask, mask, spacing_mm=(1, 1), definition="direct")
    with pytest.raises(DataError, match="empty mask"):
        surface_distances(mask, ~mask, spacing_mm=(1, 1))
    with pytest.raises(DataError, match="cannot be compared"):
        surface_distances(mask, mask[:2], spacing_mm=(1, 1))
    with pytest.raises(DataError, match="cannot be compared"):
        surface_distances(mask[0], mask[0], spacing_mm=(1,))
    for spacing in ((1, 1, 1), (1, 0), (1, -1), (1, math.nan), (1, math.inf)):
        with pytest.raises(DataError, match="spacing"):
            surface_distances(mask, mask, spacing_mm=spacing)
    for tolerance in (-0.1, math.nan):
        with pytest.raises(ConfigError, match="tolerance"):
            surface_distances(mask, mask, spacing_mm=(1, 1)).nsd(tolerance)
