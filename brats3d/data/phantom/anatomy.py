"""Healthy brain of a phantom: outline, cortical folds, ventricles, deep grey matter.

Shapes are closed-form levels in millimetres (positive inside), placed after the proportions of an
adult brain in standard space; smooth noise folds the cortex and bends everything a little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brats3d.data.phantom.grid import Field, HeadGrid, smooth_noise, soft_step
from brats3d.data.phantom.parameters import PhantomParameters

Point = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Three arrays that broadcast to one shape: millimetres to the left, back and top."""

    x: NDArray[np.floating]
    y: NDArray[np.floating]
    z: NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Outline:
    """Depth below the brain's surface and below that of its parts, float32 ``(X, Y, Z)``, mm."""

    brain: Field
    cerebrum: Field
    cerebellum: Field
    stem: Field


@dataclass(frozen=True, eq=False)
class Tissues:
    """Shares of each voxel, float32 ``(X, Y, Z)``, that sum to 1 inside the brain."""

    csf: Field
    grey: Field
    white: Field
    ventricles: Field


def _ellipsoid(at: Coordinates, centre: Point, half: Point, power: float = 2.0) -> Field:
    u = np.abs((at.x - centre[0]) / half[0])
    v = np.abs((at.y - centre[1]) / half[1])
    w = np.abs((at.z - centre[2]) / half[2])
    radius = (u**power + v**power + w**power) ** (1 / power)
    return (1 - radius) * np.float32(min(half))


def _capsule(at: Coordinates, start: Point, end: Point, radius_mm: float) -> Field:
    axis = np.subtract(end, start, dtype=np.float32)
    x, y, z = at.x - start[0], at.y - start[1], at.z - start[2]
    along = np.clip((x * axis[0] + y * axis[1] + z * axis[2]) / (axis @ axis), 0, 1)
    square = (x - along * axis[0]) ** 2 + (y - along * axis[1]) ** 2 + (z - along * axis[2]) ** 2
    return np.float32(radius_mm) - np.sqrt(square)


def _join(a: Field, b: Field, blend_mm: float) -> Field:
    """Union of two shapes, rounded where they meet."""
    overlap = np.clip(blend_mm - np.abs(a - b), 0, None)
    return np.maximum(a, b) + overlap**2 / np.float32(4 * blend_mm)


def outline(at: Coordinates, bumps: Field | float = 0.0) -> Outline:
    """Depth below the surface of a brain of average shape.

    Args:
        at: Where to evaluate, grid axes or single points.
        bumps: Millimetres added to the depth.
    """
    # The head is widest behind the ears; the frontal lobes are narrower and lower.
    taper = 1 + 0.09 * np.tanh(at.y / 45)
    egg = Coordinates(at.x / taper, at.y, at.z - 0.05 * at.y)
    dome = _ellipsoid(egg, (0, 0, 0), (64, 85, 66), 2.3)
    base = at.z + 27 - 10 * soft_step(-at.y - 30, 30)
    mirrored = Coordinates(np.abs(at.x), at.y, at.z)
    temporal = _ellipsoid(mirrored, (39, -6, -24), (24, 42, 24))
    cerebrum = _join(-_join(-dome, -base, 12), np.minimum(temporal, dome + 3), 6) + bumps
    cerebellum = _ellipsoid(mirrored, (17, 47, -42), (35, 33, 24)) + bumps
    stem = _capsule(at, (0, 8, -12), (0, 24, -75), 13.5)
    stem = np.minimum(stem, at.z + 69)
    brain = _join(_join(cerebrum, cerebellum, 3), stem, 5)
    return Outline(brain, cerebrum, cerebellum, stem)


def _ventricles(at: Coordinates, scale: float) -> Field:
    side = Coordinates(np.abs(at.x), at.y, at.z)
    body = _capsule(side, (8, -30, 6), (12, 16, 17), 5.5 * scale)
    atrium = _capsule(side, (13, 18, 15), (25, 44, 4), 5.5 * scale)
    temporal = _capsule(side, (25, 30, 2), (31, -6, -20), 2.8 * scale)
    third = _ellipsoid(at, (0, 6, -1), (2.2 * scale, 14, 9))
    fourth = _ellipsoid(at, (0, 33, -38), (6 * scale, 5 * scale, 9))
    level = _join(_join(body, atrium, 5), temporal, 4)
    # A septum keeps the two lateral ventricles apart.
    level = np.minimum(level, side.x - 1.2)
    return np.maximum(np.maximum(level, third), fourth)


def _deep_grey(at: Coordinates) -> Field:
    side = Coordinates(np.abs(at.x), at.y, at.z)
    thalamus = _ellipsoid(side, (11, 12, 2), (8.5, 14, 9))
    caudate = _capsule(side, (15, -22, 6), (20, 6, 18), 4.5)
    lentiform = _ellipsoid(side, (25, -4, 0), (7, 17, 10))
    return np.maximum(np.maximum(thalamus, caudate), lentiform)


def _fissures(at: Coordinates, wander_mm: Field) -> Field:
    """Distance to the cleft between the hemispheres and to the Sylvian fissures, mm."""
    # The corpus callosum bridges the hemispheres inside this ellipse of the middle plane.
    bridge = np.sqrt(((at.y - 2) / 42) ** 2 + ((at.z - 0) / 27) ** 2)
    middle = np.abs(at.x) + np.clip(1 - bridge, 0, None) * 60
    side = np.abs(at.x)
    sylvian = np.abs(at.z + 3 + 0.45 * at.y + wander_mm) * 0.9 + np.clip(36 - side, 0, None)
    sylvian = sylvian + np.clip(np.abs(at.y + 2) - 26, 0, None) * 0.5
    return np.minimum(middle, sylvian)


def _cortical_depth(
    at: Coordinates, shape: Outline, grid: HeadGrid, rng: np.random.Generator, fold_depth_mm: float
) -> Field:
    """Distance to the nearest fluid outside the cortex: surface, sulcus or fissure, mm."""
    # Zero levels of smooth noise are sheets; near the surface they become sulci. The factors turn
    # noise into distance: its gradient is about 2 per lattice step.
    wander = smooth_noise(rng, grid, 11.0)
    coarse = np.abs(wander) * np.float32(6.0)
    fine = np.abs(smooth_noise(rng, grid, 8.0)) * np.float32(4.5)
    depth = shape.cerebrum
    sulci = np.minimum(
        coarse + np.clip(depth - fold_depth_mm, 0, None),
        fine + np.clip(depth - fold_depth_mm / 2, 0, None) + 0.5,
    )
    cerebral = np.minimum(np.minimum(depth, sulci), _fissures(at, 2 * wander))
    # The cerebellum has fine, nearly parallel leaves.
    wave = np.abs(np.sin((shape.cerebellum + 0.5 * at.z) * np.float32(np.pi / 6.5))) * 3.2
    leaves = wave + np.clip(shape.cerebellum - 10, 0, None) + 0.5
    cerebellar = np.minimum(shape.cerebellum, leaves)
    tentorium = np.abs(shape.cerebrum - shape.cerebellum) / 2
    below = shape.cerebellum > shape.cerebrum
    folded = np.where(below, cerebellar, cerebral)
    folded = np.minimum(folded, np.where(shape.cerebellum > 0, tentorium, np.float32(99)))
    return np.maximum(folded, shape.stem + 3)


def make_tissues(
    grid: HeadGrid,
    at: Coordinates,
    shape: Outline,
    relief_mm: Field,
    parameters: PhantomParameters,
    rng: np.random.Generator,
) -> Tissues:
    """Fill the brain with cerebrospinal fluid, grey and white matter.

    Args:
        grid: Voxel grid.
        at: Coordinates after the pushes of a tumour, for the inner structures.
        shape: Depth below the surface.
        relief_mm: How far swelling closes the sulci, ``(X, Y, Z)``.
        parameters: Ranges to draw from.
        rng: Source of randomness.
    """
    blur = 0.5 * grid.voxel_mm
    depth = _cortical_depth(at, shape, grid, rng, rng.uniform(*parameters.fold_depth_mm)) + relief_mm
    fluid = np.float32(0.9)
    cortex = np.float32(rng.uniform(*parameters.cortex_mm))
    ventricles = soft_step(_ventricles(at, rng.uniform(*parameters.ventricle_scale)), blur)
    csf = np.maximum(soft_step(fluid - depth, blur), ventricles)
    deep = np.float32(0.7) * soft_step(_deep_grey(at), blur)
    grey = np.maximum(soft_step(fluid + cortex - depth, blur), deep) * (1 - csf)
    return Tissues(csf, grey, 1 - csf - grey, ventricles)
