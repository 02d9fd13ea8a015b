"""The voxel grid of a phantom in millimetres of the head, and smooth noise on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brats3d.errors import ConfigError
from brats3d.imaging import Geometry

Field = NDArray[np.float32]

MINIMUM_SIDE = 32
# Half the box that holds every head, along left, posterior and superior.
HALF_EXTENT_MM = (71.0, 90.0, 71.0)
# The middle of the box, seen from the origin of the anatomy.
_CENTRE_MM = (0.0, 0.0, -1.5)
# Cubic B-splines with unit-variance coefficients have about this standard deviation in 3-D.
_SPLINE_STD = 0.479**1.5


@dataclass(frozen=True, eq=False)
class HeadGrid:
    """Voxel centres inside the box that holds the head.

    The frame is that of BraTS arrays: x to the left, y to the back, z up; the origin lies
    between the thalami.

    Attributes:
        x: Float32 ``(X, 1, 1)``, millimetres in a head of adult size.
        y: Float32 ``(1, Y, 1)``.
        z: Float32 ``(1, 1, Z)``.
        voxel_mm: Largest side of a voxel in the same millimetres.
        window: Where the box lies in the whole volume.
        geometry: The whole volume as it is stored.
    """

    x: Field
    y: Field
    z: Field
    voxel_mm: float
    window: tuple[slice, slice, slice]
    geometry: Geometry

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels of the box along each axis."""
        return (self.x.size, self.y.size, self.z.size)


def head_grid(size: tuple[int, int, int], spacing_mm: tuple[float, float, float] | None) -> HeadGrid:
    """Lay the head into a volume so that it fills the tightest axis.

    Args:
        size: Voxels along each axis, at least 32.
        spacing_mm: Stored voxel size. None: isotropic, so that the head has adult size.

    Raises:
        ConfigError: A side below 32 voxels, or a voxel size that is not positive.
    """
    check_size(size)
    spacing = (1.0, 1.0, 1.0) if spacing_mm is None else spacing_mm
    if len(spacing) != 3 or not all(np.isfinite(side) and side > 0 for side in spacing):
        raise ConfigError(
            "voxel size of a phantom", where="spacing_mm", got=spacing, expected="3 positive lengths"
        )
    fit = max(2 * half / (n * side) for half, n, side in zip(HALF_EXTENT_MM, size, spacing, strict=True))
    if spacing_mm is None:
        spacing = (fit, fit, fit)
        fit = 1.0
    axes, window = [], []
    for half, centre, n, side in zip(HALF_EXTENT_MM, _CENTRE_MM, size, spacing, strict=True):
        places = (np.arange(n) - (n - 1) / 2) * side * fit
        first, last = np.flatnonzero(np.abs(places) <= half)[[0, -1]].tolist()
        axes.append((places[first : last + 1] + centre).astype(np.float32))
        window.append(slice(first, last + 1))
    return HeadGrid(
        axes[0][:, None, None],
        axes[1][None, :, None],
        axes[2][None, None, :],
        max(spacing) * fit,
        (window[0], window[1], window[2]),
        Geometry((size[0], size[1], size[2]), _brats_affine(size, spacing)),
    )


def check_size(size: tuple[int, int, int]) -> None:
    """Check the size of a phantom.

    Raises:
        ConfigError: Not three sides of at least 32 voxels.
    """
    if len(size) != 3 or not all(isinstance(n, int) and n >= MINIMUM_SIDE for n in size):
        raise ConfigError(
            "size of a phantom",
            where="size",
            got=tuple(size),
            expected=f"three whole numbers of at least {MINIMUM_SIDE} voxels",
            remedy="choose a larger size; below it no cortex can be told from its neighbours",
        )


def _brats_affine(size: tuple[int, int, int], spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Voxel axes left, posterior, superior, and the origin BraTS gives them."""
    affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    affine[1, 3] = spacing[1] * (size[1] - 1)
    return affine + 0.0


def smooth_noise(rng: np.random.Generator, grid: HeadGrid, scale_mm: float) -> Field:
    """Draw smooth Gaussian noise with mean 0 and standard deviation about 1.

    Coefficients of a cubic B-spline are drawn on a lattice that is fixed in the head, so the same
    generator gives the same anatomy at every voxel size.

    Args:
        rng: Source of randomness.
        grid: Where the noise is evaluated.
        scale_mm: Distance of the lattice points.

    Returns:
        Float32 ``(X, Y, Z)``.
    """
    bases = []
    for axis, half, centre in zip((grid.x, grid.y, grid.z), HALF_EXTENT_MM, _CENTRE_MM, strict=True):
        knots = int(np.ceil(2 * half / scale_mm)) + 4
        places = (axis.ravel() - centre + half) / scale_mm + 1.5
        bases.append(_cubic_spline(places[:, None] - np.arange(knots, dtype=np.float32)))
    field = rng.standard_normal([basis.shape[1] for basis in bases], dtype=np.float32)
    for basis in bases:
        field = np.tensordot(field, basis, axes=(0, 1))
    return np.ascontiguousarray(field / np.float32(_SPLINE_STD))


def _cubic_spline(distance: NDArray[np.floating]) -> Field:
    a = np.abs(distance)
    near = 2 / 3 - a**2 + a**3 / 2
    far = np.clip(2 - a, 0, None) ** 3 / 6
    return np.where(a < 1, near, far).astype(np.float32)


def soft_step(level_mm: Field, width_mm: float | np.float32) -> Field:
    """Share of a voxel beyond a border: 0 below ``-width_mm``, 1 above ``width_mm``, smooth between."""
    t = np.clip(level_mm / np.float32(2 * width_mm) + np.float32(0.5), 0, 1)
    return t * t * (3 - 2 * t)
