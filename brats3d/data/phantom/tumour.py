"""Tumour of a phantom: foci with necrosis, enhancing rim and oedema, and how they push the brain."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from brats3d.data.phantom.anatomy import Coordinates, outline
from brats3d.data.phantom.grid import Field, HeadGrid, smooth_noise
from brats3d.data.phantom.parameters import PhantomParameters


@dataclass(frozen=True, eq=False)
class Focus:
    """One tumour focus, lengths in millimetres of the head.

    Attributes:
        centre: Float32 ``(3,)``, to the left, back and top.
        axes: Float32 ``(3, 3)``, turns a sphere into the focus' ellipsoid (unit determinant).
        core_radius_mm: Radius of necrosis and rim together.
        rim_mm: Thickness of the enhancing rim.
        oedema_mm: Reach of the oedema beyond the core.
    """

    centre: NDArray[np.float32]
    axes: NDArray[np.float32]
    core_radius_mm: float
    rim_mm: float
    oedema_mm: float


@dataclass(frozen=True, eq=False)
class Tumour:
    """Levels in millimetres, positive inside, float32 ``(X, Y, Z)``.

    Attributes:
        core: Necrosis and rim.
        necrosis: Core without its rim.
        oedema: Core and oedema, before the oedema follows the tissue.
        enhancing: Whether the rim takes up contrast agent.
    """

    core: Field
    necrosis: Field
    oedema: Field
    enhancing: bool


def draw_foci(
    parameters: PhantomParameters, rng: np.random.Generator, growth: float = 1.0
) -> tuple[Focus, ...]:
    """Draw the main focus and, at times, one or two satellites in the same hemisphere.

    Args:
        parameters: Ranges to draw from.
        rng: Source of randomness.
        growth: Factor on every radius, for a later visit of the same patient.
    """
    radius = rng.uniform(*parameters.core_radius_mm)
    main = _draw_focus(parameters, rng, radius, _draw_centre(rng, radius))
    foci = [main]
    if rng.random() < parameters.probability_multifocal:
        for _ in range(int(rng.integers(1, 3))):
            small = main.core_radius_mm * rng.uniform(0.45, 0.6)
            foci.append(_draw_focus(parameters, rng, small, _draw_centre(rng, small, beside=main)))
    return tuple(
        replace(focus, core_radius_mm=focus.core_radius_mm * growth, oedema_mm=focus.oedema_mm * growth)
        for focus in foci
    )


def _draw_focus(
    parameters: PhantomParameters, rng: np.random.Generator, radius: float, centre: NDArray[np.float32]
) -> Focus:
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    stretch = np.exp(rng.uniform(-0.18, 0.18, 3))
    axes = turn @ np.diag(stretch / np.cbrt(stretch.prod())) @ turn.T
    return Focus(
        centre,
        axes.astype(np.float32),
        radius,
        rng.uniform(*parameters.rim_mm),
        rng.uniform(*parameters.oedema_mm),
    )


def _draw_centre(rng: np.random.Generator, radius: float, beside: Focus | None = None) -> NDArray[np.float32]:
    """Find a place in a cerebral hemisphere that holds most of a focus."""
    points = rng.uniform((-60, -75, -35), (60, 75, 60), (4000, 3)).astype(np.float32)
    depth = outline(Coordinates(points[:, 0], points[:, 1], points[:, 2])).cerebrum
    # Deep enough to be covered by brain, shallow enough to arise in the white matter below the cortex.
    misfit = np.abs(depth - (0.75 * radius + 8)) + np.clip(0.8 * radius - np.abs(points[:, 0]), 0, None)
    if beside is not None:
        away = np.linalg.norm(points - beside.centre, axis=1)
        gap = away - (beside.core_radius_mm + radius + 5)
        misfit += np.where(gap < 0, -4 * gap, 0.5 * gap)
        misfit += np.where(np.sign(points[:, 0]) == np.sign(beside.centre[0]), 0, 50)
    return points[int(np.flatnonzero(misfit <= max(4.0, float(misfit.min())))[0])]


def push_away(at: Coordinates, foci: tuple[Focus, ...], effect: float) -> Coordinates:
    """Coordinates at which the healthy anatomy is read so that foci seem to push it outwards.

    Args:
        at: Coordinates ``(X, Y, Z)``.
        foci: What pushes.
        effect: Share of the core's radius, 0 to 0.8.
    """
    x, y, z = at.x, at.y, at.z
    for focus in foci:
        dx, dy, dz = at.x - focus.centre[0], at.y - focus.centre[1], at.z - focus.centre[2]
        reach = np.float32((1.5 * focus.core_radius_mm) ** 2)
        pull = np.float32(effect) * np.exp(-(dx * dx + dy * dy + dz * dz) / reach)
        x, y, z = x - pull * dx, y - pull * dy, z - pull * dz
    return Coordinates(x, y, z)


def grow(
    grid: HeadGrid, foci: tuple[Focus, ...], parameters: PhantomParameters, rng: np.random.Generator
) -> Tumour:
    """Evaluate the foci with irregular borders."""
    roughness = rng.uniform(*parameters.irregularity)
    border = smooth_noise(rng, grid, 16.0) + np.float32(0.5) * smooth_noise(rng, grid, 8.0)
    inner = smooth_noise(rng, grid, 14.0)
    outer = smooth_noise(rng, grid, 18.0)
    parts = [_levels(grid, focus, np.float32(roughness), border, inner, outer) for focus in foci]
    core, necrosis, oedema = (np.maximum.reduce(levels) for levels in zip(*parts, strict=True))
    return Tumour(core, necrosis, oedema, bool(rng.random() >= parameters.probability_without_et))


def _levels(
    grid: HeadGrid, focus: Focus, roughness: np.float32, border: Field, inner: Field, outer: Field
) -> tuple[Field, Field, Field]:
    dx, dy, dz = grid.x - focus.centre[0], grid.y - focus.centre[1], grid.z - focus.centre[2]
    square = np.zeros(grid.shape, dtype=np.float32)
    for row in focus.axes:
        square += (row[0] * dx + row[1] * dy + row[2] * dz) ** 2
    distance = np.sqrt(square)
    radius = np.float32(focus.core_radius_mm)
    core = radius * (1 + roughness * border) - distance
    # The rim varies by a quarter of its thickness, so that it stays closed.
    necrosis = core - np.float32(focus.rim_mm) * (1 + np.float32(0.25) * np.clip(inner, -2, 2))
    if focus.oedema_mm == 0:
        return core, necrosis, core
    reach = np.float32(focus.oedema_mm) * (1 + np.float32(0.35) * np.clip(outer, -2, 2))
    return core, necrosis, core + reach
