"""Statistics of intensities (IBSI family UHIW), without order or place."""

from __future__ import annotations

import math
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from brats3d.features.definitions import INTENSITY, INTENSITY2, NUMBER, Definition, Definitions, ratio

STATISTICS: Definitions = MappingProxyType(
    {
        "stat_mean": Definition(INTENSITY, "Q4LE", "mean"),
        "stat_variance": Definition(INTENSITY2, "ECT3", "variance, divided by the number of voxels"),
        "stat_skewness": Definition(NUMBER, "KE2A", "third central moment by variance^(3/2); 0 if flat"),
        "stat_kurtosis": Definition(
            NUMBER, "IPH6", "fourth central moment by variance^2, minus 3; 0 if flat"
        ),
        "stat_median": Definition(INTENSITY, "Y12H", "median"),
        "stat_minimum": Definition(INTENSITY, "1GSF", "minimum"),
        "stat_percentile_10": Definition(INTENSITY, "QG58", "10th percentile, interpolated"),
        "stat_percentile_90": Definition(INTENSITY, "8DWT", "90th percentile, interpolated"),
        "stat_maximum": Definition(INTENSITY, "84IY", "maximum"),
        "stat_interquartile_range": Definition(INTENSITY, "SALO", "75th minus 25th percentile"),
        "stat_range": Definition(INTENSITY, "2OJQ", "maximum minus minimum"),
        "stat_mean_absolute_deviation": Definition(INTENSITY, "4FUA", "mean distance from the mean"),
        "stat_robust_mean_absolute_deviation": Definition(
            INTENSITY,
            "1128",
            "mean distance from the mean, both of what is within the 10th and 90th percentile",
        ),
        "stat_median_absolute_deviation": Definition(INTENSITY, "N72L", "mean distance from the median"),
        "stat_coefficient_of_variation": Definition(NUMBER, "7TET", "standard deviation by mean"),
        "stat_quartile_coefficient_of_dispersion": Definition(
            NUMBER, "9S40", "difference by sum of the 75th and the 25th percentile"
        ),
        "stat_energy": Definition(INTENSITY2, "N8CA", "sum of squares"),
        "stat_root_mean_square": Definition(INTENSITY, "5ZWQ", "root of the mean of squares"),
    }
)


def statistics(intensities: NDArray[np.floating]) -> dict[str, float]:
    """Describe intensities.

    Args:
        intensities: Float ``(N,)``, finite, at least one.

    Returns:
        Features of :data:`STATISTICS`; NaN where a denominator is zero.
    """
    values = intensities.astype(np.float64)
    squares = values @ values
    described = describe(values)
    return {f"stat_{name}": value for name, value in described.items()} | {
        "stat_energy": float(squares),
        "stat_root_mean_square": math.sqrt(squares / values.size),
    }


def describe(values: NDArray[np.float64]) -> dict[str, float]:
    """Return what IBSI has for intensities and for discretised intensities alike, by name without prefix."""
    p10, p25, median, p75, p90 = np.percentile(values, (10, 25, 50, 75, 90)).tolist()
    mean = float(values.mean())
    from_mean = values - mean
    variance = float((from_mean**2).mean())
    least, most = float(values.min()), float(values.max())
    if least == most:  # whatever rounding made of it
        mean, variance = least, 0.0
    middle = values[(values >= p10) & (values <= p90)]
    return {
        "mean": mean,
        "variance": variance,
        "skewness": float((from_mean**3).mean()) / variance**1.5 if variance else 0.0,
        "kurtosis": float((from_mean**4).mean()) / variance**2 - 3 if variance else 0.0,
        "median": median,
        "minimum": least,
        "percentile_10": p10,
        "percentile_90": p90,
        "maximum": most,
        "interquartile_range": p75 - p25,
        "range": most - least,
        "mean_absolute_deviation": float(np.abs(from_mean).mean()) if variance else 0.0,
        "robust_mean_absolute_deviation": _mean_distance(middle),
        "median_absolute_deviation": float(np.abs(values - median).mean()),
        "coefficient_of_variation": ratio(math.sqrt(variance), mean),
        "quartile_coefficient_of_dispersion": ratio(p75 - p25, p75 + p25),
    }


def _mean_distance(values: NDArray[np.float64]) -> float:
    """Mean distance from the mean; interpolated percentiles of two values have nothing between them."""
    return float(np.abs(values - values.mean()).mean()) if values.size else math.nan
