"""Histogram of discretised intensities (IBSI family ZVCW)."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from brats3d.features.definitions import BIN, BIN2, BIT, NUMBER, VOXELS, Definition, Definitions
from brats3d.features.discretisation import Levels
from brats3d.features.statistics import STATISTICS, describe

_UNITS = {"intensity": BIN, "intensity^2": BIN2}
_CODES = {
    "mean": "X6K6",
    "variance": "CH89",
    "skewness": "88K1",
    "kurtosis": "C3I7",
    "median": "WIFQ",
    "minimum": "1PR8",
    "percentile_10": "GPMT",
    "percentile_90": "OZ0C",
    "maximum": "3NCY",
    "interquartile_range": "WR0O",
    "range": "5Z3W",
    "mean_absolute_deviation": "D2ZX",
    "robust_mean_absolute_deviation": "WRZB",
    "median_absolute_deviation": "4RNL",
    "coefficient_of_variation": "CWYJ",
    "quartile_coefficient_of_dispersion": "SLWD",
}


def _discretised(name: str, code: str) -> Definition:
    of_intensity = STATISTICS[f"stat_{name}"]
    unit = _UNITS.get(of_intensity.unit, of_intensity.unit)
    return Definition(unit, code, f"{of_intensity.text}; of discretised intensities")


HISTOGRAM: Definitions = MappingProxyType(
    {
        **{f"ih_{name}": _discretised(name, code) for name, code in _CODES.items()},
        "ih_mode": Definition(BIN, "AMMC", "most common level; of several the closest to the mean"),
        "ih_entropy": Definition(BIT, "TLU2", "- sum p log2 p over the levels"),
        "ih_uniformity": Definition(NUMBER, "BJ5W", "sum of p^2 over the levels"),
        "ih_maximum_gradient": Definition(VOXELS, "12CE", "largest central difference of the counts"),
        "ih_maximum_gradient_level": Definition(BIN, "8E6O", "level where that is"),
        "ih_minimum_gradient": Definition(VOXELS, "VQB3", "smallest central difference of the counts"),
        "ih_minimum_gradient_level": Definition(BIN, "RHQZ", "level where that is"),
    }
)


def histogram(levels: Levels) -> dict[str, float]:
    """Describe discretised intensities of a region.

    Args:
        levels: At least one voxel.

    Returns:
        Features of :data:`HISTOGRAM`; NaN where undefined.
    """
    described = describe(levels.values.astype(np.float64))
    counts = np.bincount(levels.values, minlength=levels.count + 1)[1:].astype(np.float64)
    shares = counts[counts > 0] / counts.sum()
    return {f"ih_{name}": value for name, value in described.items()} | {
        "ih_mode": _mode(counts, described["mean"]),
        "ih_entropy": float(-(shares * np.log2(shares)).sum() + 0.0),
        "ih_uniformity": float((shares**2).sum()),
        **_gradients(counts),
    }


def _mode(counts: NDArray[np.float64], mean: float) -> float:
    candidates = np.flatnonzero(counts == counts.max()) + 1
    return float(candidates[np.abs(candidates - mean).argmin()])  # argmin takes the left of two


def _gradients(counts: NDArray[np.float64]) -> dict[str, float]:
    names = (
        "ih_maximum_gradient",
        "ih_maximum_gradient_level",
        "ih_minimum_gradient",
        "ih_minimum_gradient_level",
    )
    if counts.size < 2:
        return dict.fromkeys(names, float("nan"))
    gradient = np.gradient(counts)
    highest, lowest = int(gradient.argmax()), int(gradient.argmin())
    values = (gradient[highest], highest + 1, gradient[lowest], lowest + 1)
    return {name: float(value) for name, value in zip(names, values, strict=True)}
