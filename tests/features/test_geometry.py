"""Shapes of known size, and what turning and storing an image otherwise must not change."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from brats3d.features import AGGREGATIONS, Brain, FeatureSettings, case_features
from brats3d.features.extraction import slice_axis

Pattern = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float64]]
SETTINGS = FeatureSettings(glcm=tuple(AGGREGATIONS))


def measure(
    mask: NDArray[np.bool_],
    affine: NDArray[np.float64],
    image: NDArray[np.float32] | None = None,
    brain: Brain | None = None,
) -> dict[str, float]:
    images = {} if image is None else {"t1": image}
    return {
        row.feature: row.value for row in case_features({"WT": mask}, images, affine, SETTINGS, brain).rows
    }


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (1.0, 0.5, 2.0)])
def test_a_ball(spacing_mm: tuple[float, float, float]) -> None:
    radius_mm = 16.0
    steps = [np.arange(-18, 18 + 1e-9, size) for size in spacing_mm]
    x, y, z = np.meshgrid(*steps, indexing="ij")
    found = measure(x**2 + y**2 + z**2 <= radius_mm**2, np.diag([*spacing_mm, 1.0]))
    assert found["morph_volume_mesh"] == pytest.approx(4 / 3 * math.pi * radius_mm**3, rel=0.02)
    assert found["morph_volume_voxels"] == pytest.approx(found["morph_volume_mesh"], rel=0.02)
    assert found["morph_maximum_3d_diameter"] == pytest.approx(2 * radius_mm, abs=max(spacing_mm))
    for name in ("major", "minor", "least"):  # an ellipsoid's axis is 4 sqrt(variance) = 4 r / sqrt(5)
        assert found[f"morph_{name}_axis_length"] == pytest.approx(4 * radius_mm / math.sqrt(5), rel=0.01)
    assert found["morph_elongation"] == pytest.approx(1, abs=0.01)
    assert 0.85 < found["morph_sphericity"] < 1  # steps between voxels add some 8 % of area
    assert 0.9 < found["morph_volume_density_convex_hull"] <= 1


def test_a_box_of_unequal_voxels() -> None:
    mask = np.zeros((10, 10, 10), dtype=bool)
    mask[2:8, 3:7, 4:6] = True
    found = measure(mask, np.diag([1.0, 2.0, 4.0, 1.0]))
    assert found["morph_voxels"] == 48
    assert found["morph_volume_voxels"] == pytest.approx(48 * 8)
    edges = np.array([6.0, 8.0, 8.0])  # the mesh cuts off the corners, not the faces
    assert found["morph_maximum_3d_diameter"] < np.linalg.norm(edges)
    variances = (np.array([6, 4, 2]) ** 2 - 1) / 12 * np.array([1.0, 2.0, 4.0]) ** 2 * 48 / 47
    assert found["morph_least_axis_length"] == pytest.approx(4 * math.sqrt(variances.min()))
    assert found["morph_major_axis_length"] == pytest.approx(4 * math.sqrt(variances.max()))


def test_a_region_at_the_border_of_the_image_is_closed_there(pattern: Pattern) -> None:
    _, mask, affine = pattern
    assert mask[0].any()
    apart = np.pad(mask, 2)
    assert measure(mask, affine)["morph_surface_area"] == measure(apart, affine)["morph_surface_area"]


def test_storing_axes_otherwise_changes_nothing(pattern: Pattern) -> None:
    image, mask, affine = pattern
    brain = Brain.of_mask(np.ones_like(mask), affine)
    expected = measure(mask, affine, image, brain)
    order = (2, 0, 1)
    flipped = np.eye(4)
    flipped[0, 0], flipped[0, 3] = -1, mask.shape[order[0]] - 1  # the first axis after the exchange
    stored = np.eye(4)[:, [*order, 3]]
    turned = affine @ stored @ flipped
    found = measure(
        mask.transpose(order)[::-1],
        turned,
        image.transpose(order)[::-1],
        Brain.of_mask(np.ones_like(mask.transpose(order)), turned),
    )
    assert slice_axis(turned) == 0
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-6), name


def test_turning_the_patient_keeps_shape_and_texture(pattern: Pattern) -> None:
    image, mask, affine = pattern
    angle = 0.3
    turn = np.eye(4)
    turn[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    expected, found = measure(mask, affine, image), measure(mask, turn @ affine, image)
    for name, value in expected.items():
        if not name.startswith("loc_"):
            assert found[name] == pytest.approx(value, rel=1e-9)


def test_place_relative_to_the_brain() -> None:
    affine = np.array([[-2.0, 0, 0, 30], [0, 2, 0, -10], [0, 0, 2, 5], [0, 0, 0, 1]])
    head = np.zeros((21, 20, 20), dtype=bool)
    head[3:18, 2:18, 4:16] = True  # centre: index 10, the middle of a voxel
    brain = Brain.of_mask(head, affine)
    assert brain == Brain((10.0, 9.0, 24.0), 15 * 16 * 12)
    mask = np.zeros_like(head)
    mask[8:11, 5:7, 6] = True  # growing index is to the left in this affine: indices 8 and 9 are right
    found = measure(mask, affine, brain=brain)
    assert found["loc_centre_of_mass_x"] == 12
    assert found["loc_from_brain_centre_x"] == 2
    assert found["loc_from_brain_centre_y"] == pytest.approx(1 - 9)
    assert found["loc_from_brain_centre_z"] == pytest.approx(17 - 24)
    assert found["loc_from_brain_centre_distance"] == pytest.approx(math.sqrt(4 + 64 + 49))
    assert found["loc_hemisphere"] == 1
    assert found["loc_left_fraction"] == pytest.approx(1 / 6)  # a third lies in the plane and counts half
    assert found["loc_brain_fraction"] == pytest.approx(6 / (15 * 16 * 12))
    mirrored = np.zeros_like(head)
    mirrored[10:13, 5:7, 6] = True
    opposite = measure(mirrored, affine, brain=brain)
    assert (opposite["loc_hemisphere"], opposite["loc_left_fraction"]) == (-1, pytest.approx(5 / 6))
    midline = np.zeros_like(head)
    midline[9:12, 5, 6] = True
    central = measure(midline, affine, brain=brain)
    assert (central["loc_hemisphere"], central["loc_left_fraction"]) == (0, pytest.approx(0.5))
