"""Whether predicted probabilities mean what they say: counts by probability that add up over cases.

Counted are the voxels of the brain, where alone a model is asked; a reference outside it was given the
probability 0 and counts as well. Voxels of all cases are pooled. Most of a brain is no tumour and lies in
the lowest bin, which therefore rules the means over all voxels; a second error leaves that bin out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brats3d.metrics.csv_files import reading_csv, write_csv

BINS = 20
LEVELS = 100_000
"""Probabilities are counted in units of ``1 / LEVELS``: sums of whole numbers depend on no order."""

_COUNTED = ("voxels", "reference_voxels", "probability_sum", "squared_error_sum")
COLUMNS = ("region", "bin_low", "bin_high", *_COUNTED)


@dataclass(frozen=True)
class Calibration:
    """Voxels of one region, counted in bins of equal width of their probability; ``a + b`` pools them.

    Attributes:
        voxels: Voxels in each bin; a bin holds its lower end, the last one both.
        positives: Those of them that the reference has in the region.
        probability: Sum of their probabilities, in ``1 / LEVELS``.
        squared_error: Sum of ``(probability - truth)²``, in ``1 / LEVELS²``.
    """

    voxels: tuple[int, ...]
    positives: tuple[int, ...]
    probability: tuple[int, ...]
    squared_error: tuple[int, ...]

    def __add__(self, other: Calibration) -> Calibration:
        """Pool the voxels of both."""
        mine, others = (
            (own.voxels, own.positives, own.probability, own.squared_error) for own in (self, other)
        )
        summed = (
            tuple(a + b for a, b in zip(first, second, strict=True))
            for first, second in zip(mine, others, strict=True)
        )
        return Calibration(*summed)

    @property
    def mean_probability(self) -> NDArray[np.float64]:
        """Mean probability in each bin, float64 ``(BINS,)``; NaN in an empty one."""
        return _ratios(self.probability, self.voxels) / LEVELS

    @property
    def frequency(self) -> NDArray[np.float64]:
        """Share of the voxels of each bin that are in the reference, float64 ``(BINS,)``."""
        return _ratios(self.positives, self.voxels)

    @property
    def ece(self) -> float:
        """Expected calibration error (Guo et al. 2017, arXiv 1706.04599), 0 to 1.

        The gap between mean probability and frequency, averaged over the bins by their voxels.
        """
        return self._mean_gap(0)

    @property
    def ece_beyond_lowest(self) -> float:
        """The same without the lowest bin, whose voxels nobody takes for the region."""
        return self._mean_gap(1)

    @property
    def brier(self) -> float:
        """Mean squared error of the probabilities (Brier 1950), 0 to 1."""
        return sum(self.squared_error) / LEVELS**2 / total if (total := sum(self.voxels)) else math.nan

    def _mean_gap(self, first: int) -> float:
        total = sum(self.voxels[first:])
        gaps = [
            abs(probability / LEVELS - positives)
            for probability, positives in zip(self.probability[first:], self.positives[first:], strict=True)
        ]
        return math.fsum(gaps) / total if total else math.nan


def count_calibration(
    probabilities: NDArray[np.float32], reference: NDArray[np.bool_], brain: NDArray[np.bool_]
) -> Calibration:
    """Count the voxels of one region of one case.

    Args:
        probabilities: Float ``(*S)`` in [0, 1].
        reference: Bool ``(*S)``.
        brain: Bool ``(*S)``, the voxels that are counted, besides those of the reference.
    """
    counted = brain | reference
    asked = np.nan_to_num(probabilities[counted].astype(np.float64))  # a network that has diverged
    levels = np.rint(asked * LEVELS).astype(np.int64)
    truth = reference[counted]
    places = np.minimum(levels * BINS // LEVELS, BINS - 1)
    errors = levels - LEVELS * truth
    return Calibration(
        _sums(places), _sums(places[truth]), _sums(places, levels), _sums(places, errors * errors)
    )


def pool_calibrations(parts: Iterable[Mapping[str, Calibration]]) -> dict[str, Calibration]:
    """Add the counts of cases or processes up, region by region."""
    pooled: dict[str, Calibration] = {}
    for part in parts:
        for region, own in part.items():
            pooled[region] = pooled[region] + own if region in pooled else own
    return pooled


def write_calibration_csv(path: Path, calibrations: Mapping[str, Calibration]) -> None:
    """Write a row per region and bin, atomically; sums of probabilities are in units of 1.

    Raises:
        OutputError: The file cannot be written.
    """

    def lines() -> Iterator[Sequence[object]]:
        yield COLUMNS
        for region, own in calibrations.items():
            for place in range(BINS):
                sums = (own.probability[place] / LEVELS, own.squared_error[place] / LEVELS**2)
                counts = (own.voxels[place], own.positives[place])
                yield (region, place / BINS, (place + 1) / BINS, *counts, *sums)

    write_csv(path, lines())


def read_calibration_csv(path: Path) -> dict[str, Calibration]:
    """Read what :func:`write_calibration_csv` wrote.

    Raises:
        DataError: The file is missing, or is not such a table.
    """
    with reading_csv(
        path,
        "calibration counts",
        needed=("region", *_COUNTED),
        expected="a CSV file with the columns " + ", ".join(COLUMNS),
        remedy="point to the calibration.csv that fit wrote",
    ) as reader:
        found: dict[str, list[tuple[int, int, int, int]]] = {}
        for record in reader:
            voxels, positives, probability, squared_error = (record[name] for name in _COUNTED)
            sums = (round(float(probability) * LEVELS), round(float(squared_error) * LEVELS**2))
            found.setdefault(record["region"], []).append((int(voxels), int(positives), *sums))
        if any(len(bins) != BINS for bins in found.values()):
            raise ValueError(f"not {BINS} bins in each region")
        return {region: Calibration(*zip(*bins, strict=True)) for region, bins in found.items()}


def _sums(places: NDArray[np.int64], weights: NDArray[np.int64] | None = None) -> tuple[int, ...]:
    """Whole sums by bin; no sum of a case reaches 2^63."""
    sums = np.zeros(BINS, dtype=np.int64)
    np.add.at(sums, places, 1 if weights is None else weights)
    return tuple(sums.tolist())


def _ratios(parts: Sequence[int], wholes: Sequence[int]) -> NDArray[np.float64]:
    pairs = zip(parts, wholes, strict=True)
    return np.array([part / whole if whole else math.nan for part, whole in pairs], dtype=np.float64)
