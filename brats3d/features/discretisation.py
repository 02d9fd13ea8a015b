"""Intensities sorted into bins, as histogram and texture features need them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brats3d.errors import ConfigError

_MOST_BINS = 1024


@dataclass(frozen=True)
class Levels:
    """Discretised intensities.

    Attributes:
        values: Bin of each voxel from 1 on, int64 ``(N,)``.
        count: Number of bins N_g, including empty ones.
    """

    values: NDArray[np.int64]
    count: int


@dataclass(frozen=True)
class Discretisation:
    """How intensities are sorted into bins.

    Attributes:
        bins: Fixed bin number (IBSI K15C): so many bins from the region's minimum to its maximum.
        bin_width: Fixed bin size (IBSI Q3RU) instead, in units of the intensities.
        bin_start: Where the first bin of a fixed size starts; lower intensities count into it. None: at
            the region's minimum.

    Raises:
        ConfigError: A number or size that cannot work.
    """

    bins: int = 32
    bin_width: float | None = None
    bin_start: float | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        if not 2 <= self.bins <= _MOST_BINS:
            raise ConfigError(
                "a number of bins that cannot work",
                where="bins",
                got=self.bins,
                expected=f"2 to {_MOST_BINS}",
            )
        if self.bin_width is not None and not 0 < self.bin_width < float("inf"):
            raise ConfigError(
                "a bin width that cannot work", where="bin_width", got=self.bin_width, expected="more than 0"
            )
        if self.bin_start is not None and self.bin_width is None:
            raise ConfigError(
                "bin_start has no meaning without bin_width",
                where="bin_start",
                got=self.bin_start,
                remedy="set bin_width, or leave bin_start out",
            )

    def levels(self, intensities: NDArray[np.floating]) -> Levels | None:
        """Sort intensities ``(N,)``, finite and at least one, into bins.

        Returns:
            None where they would need more than 1024 bins.
        """
        values = intensities.astype(np.float64)
        least, most = values.min(), values.max()
        if self.bin_width is None:
            # The division comes last so that bounds of bins fall where exact arithmetic puts them.
            scaled = np.zeros_like(values) if most == least else self.bins * (values - least) / (most - least)
            return Levels(np.minimum(scaled.astype(np.int64) + 1, self.bins), self.bins)
        start = least if self.bin_start is None else self.bin_start
        if (most - start) / self.bin_width >= _MOST_BINS:
            return None
        numbers = np.floor((values - start) / self.bin_width).astype(np.int64) + 1
        numbers = np.maximum(numbers, 1)
        return Levels(numbers, int(numbers.max()))
