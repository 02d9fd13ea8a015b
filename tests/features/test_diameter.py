"""The largest diameter, found without a mesh, is that of the mesh."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from brats3d.features.diameter import largest_diameter_mm
from brats3d.features.mesh import surface_mesh


@pytest.mark.parametrize("seed", range(4))
def test_it_is_that_of_the_mesh(seed: int) -> None:
    generator = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(generator.normal(size=(12, 15, 9)), 1.5) > 0.05
    axes_mm = generator.normal(size=(3, 3)) + 3 * np.eye(3)
    assert largest_diameter_mm(mask, axes_mm) == pytest.approx(surface_mesh(mask, axes_mm).diameter_mm)


def test_of_boxes() -> None:
    assert largest_diameter_mm(np.ones((1, 1, 1), dtype=bool), np.diag([1.0, 2.0, 3.0])) == 3
    # From the face of the first voxel to that of the last.
    assert largest_diameter_mm(np.ones((4, 1), dtype=bool), np.diag([2.0, 1.0])) == 8
