"""Size and shape of a region (IBSI family HCUG)."""

from __future__ import annotations

import math
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from brats3d.features.definitions import MM, MM2, MM3, NUMBER, PER_MM, VOXELS, Definition, Definitions, ratio
from brats3d.features.mesh import Mesh, surface_mesh

MORPHOLOGY: Definitions = MappingProxyType(
    {
        "morph_voxels": Definition(VOXELS, "", "number of voxels"),
        "morph_volume_mesh": Definition(MM3, "RNU0", "volume V that the surface mesh encloses"),
        "morph_volume_voxels": Definition(MM3, "YEKZ", "number of voxels times the volume of one"),
        "morph_surface_area": Definition(MM2, "C0JK", "area A of the surface mesh"),
        "morph_surface_to_volume_ratio": Definition(PER_MM, "2PR5", "A / V"),
        "morph_compactness_1": Definition(NUMBER, "SKGS", "V / (pi^(1/2) A^(3/2))"),
        "morph_compactness_2": Definition(NUMBER, "BQWJ", "36 pi V^2 / A^3"),
        "morph_spherical_disproportion": Definition(NUMBER, "KRCK", "A / (36 pi V^2)^(1/3)"),
        "morph_sphericity": Definition(NUMBER, "QCFX", "(36 pi V^2)^(1/3) / A"),
        "morph_asphericity": Definition(NUMBER, "25C7", "(A^3 / (36 pi V^2))^(1/3) - 1"),
        "morph_maximum_3d_diameter": Definition(MM, "L0JK", "largest distance between mesh vertices"),
        "morph_major_axis_length": Definition(
            MM, "TDIC", "4 sqrt(largest eigenvalue of the covariance of voxel centres)"
        ),
        "morph_minor_axis_length": Definition(MM, "P9VJ", "4 sqrt(second eigenvalue)"),
        "morph_least_axis_length": Definition(MM, "7J51", "4 sqrt(smallest eigenvalue)"),
        "morph_elongation": Definition(NUMBER, "Q3CK", "minor by major axis length"),
        "morph_flatness": Definition(NUMBER, "N17B", "least by major axis length"),
        "morph_volume_density_aabb": Definition(
            NUMBER, "PBX1", "V by the volume of the mesh's box along the axes of the image"
        ),
        "morph_area_density_aabb": Definition(NUMBER, "R59B", "A by the area of that box"),
        "morph_volume_density_aee": Definition(
            NUMBER, "6BDE", "V by the volume of the ellipsoid with the three axis lengths"
        ),
        "morph_volume_density_convex_hull": Definition(NUMBER, "R3ER", "V by that of the mesh's convex hull"),
        "morph_area_density_convex_hull": Definition(NUMBER, "7T7F", "A by that of the mesh's convex hull"),
    }
)

INTENSITY_MORPHOLOGY: Definitions = MappingProxyType(
    {
        "morph_centre_of_mass_shift": Definition(
            MM, "KLMA", "distance from the centre of the voxels to their centre weighted by intensity"
        ),
        "morph_integrated_intensity": Definition("intensity mm^3", "99N0", "V times the mean intensity"),
    }
)


def morphology(mask: NDArray[np.bool_], axes_mm: NDArray[np.float64]) -> dict[str, float]:
    """Measure a region.

    Args:
        mask: Bool ``(X, Y, Z)`` with at least one voxel.
        axes_mm: Float64 ``(3, 3)``, the linear part of the affine.

    Returns:
        Features of :data:`MORPHOLOGY`; NaN where a denominator is zero.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    mesh = surface_mesh(mask, axes_mm)
    centres_mm = np.argwhere(mask) @ axes_mm.T
    voxel_mm3 = abs(float(np.linalg.det(axes_mm)))
    return {
        "morph_voxels": float(len(centres_mm)),
        "morph_volume_voxels": len(centres_mm) * voxel_mm3,
        **_of_surface(mesh.volume_mm3, mesh.area_mm2),
        "morph_maximum_3d_diameter": mesh.diameter_mm,
        **_of_axes(mesh.volume_mm3, axis_lengths_mm(centres_mm)),
        **_densities(mesh),
    }


def intensity_morphology(
    mask: NDArray[np.bool_],
    image: NDArray[np.floating],
    axes_mm: NDArray[np.float64],
    volume_mm3: float,
) -> dict[str, float]:
    """Measure how intensities lie in a region.

    Args:
        mask: Bool ``(X, Y, Z)`` with at least one voxel.
        image: Float ``(X, Y, Z)``; voxels that are not finite are left out.
        axes_mm: Float64 ``(3, 3)``, the linear part of the affine.
        volume_mm3: Volume of the mesh.

    Returns:
        Features of :data:`INTENSITY_MORPHOLOGY`.
    """
    centres = np.argwhere(mask)
    intensities = image[mask].astype(np.float64)
    finite = np.isfinite(intensities)
    total = float(intensities[finite].sum())
    shift = math.nan
    if total != 0:
        weighted = (intensities[finite, None] * centres[finite]).sum(axis=0) / total
        shift = float(np.linalg.norm((weighted - centres.mean(axis=0)) @ axes_mm.T))
    return {
        "morph_centre_of_mass_shift": shift,
        "morph_integrated_intensity": volume_mm3 * ratio(total, int(finite.sum())),
    }


def axis_lengths_mm(centres_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the major, minor and least axis length of voxel centres ``(N, 3)``; NaN for a single one.

    The covariance is divided by N - 1, as in the reference values of the IBSI.
    """
    if len(centres_mm) == 1:
        return np.full(3, np.nan)
    from_mean = centres_mm - centres_mm.mean(axis=0)
    eigenvalues = np.linalg.eigvalsh(from_mean.T @ from_mean / (len(from_mean) - 1))[::-1]
    # Rounding leaves some 1e-16 of the largest where an axis has no extent.
    eigenvalues[eigenvalues < 1e-12 * max(eigenvalues[0], 1e-300)] = 0
    return np.asarray(4 * np.sqrt(eigenvalues))


def _of_surface(volume: float, area: float) -> dict[str, float]:
    sphere = 36 * math.pi * volume**2
    return {
        "morph_volume_mesh": volume,
        "morph_surface_area": area,
        "morph_surface_to_volume_ratio": area / volume,
        "morph_compactness_1": volume / (math.sqrt(math.pi) * area**1.5),
        "morph_compactness_2": sphere / area**3,
        "morph_spherical_disproportion": area / sphere ** (1 / 3),
        "morph_sphericity": sphere ** (1 / 3) / area,
        "morph_asphericity": area / sphere ** (1 / 3) - 1,
    }


def _of_axes(volume: float, lengths: NDArray[np.float64]) -> dict[str, float]:
    major, minor, least = lengths.tolist()
    return {
        "morph_major_axis_length": major,
        "morph_minor_axis_length": minor,
        "morph_least_axis_length": least,
        "morph_elongation": ratio(minor, major),
        "morph_flatness": ratio(least, major),
        "morph_volume_density_aee": ratio(volume, math.pi / 6 * major * minor * least),
    }


def _densities(mesh: Mesh) -> dict[str, float]:
    x, y, z = mesh.box_mm.tolist()
    return {
        "morph_volume_density_aabb": mesh.volume_mm3 / (x * y * z),
        "morph_area_density_aabb": mesh.area_mm2 / (2 * (x * y + y * z + z * x)),
        "morph_volume_density_convex_hull": mesh.volume_mm3 / float(mesh.hull.volume),
        "morph_area_density_convex_hull": mesh.area_mm2 / float(mesh.hull.area),
    }
