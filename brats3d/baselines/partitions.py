"""Ways to part intensities into groups, and how far each value belongs to the brightest one.

Sources: Lloyd 1982, Least squares quantization in PCM (K-means); Bezdek 1981 (fuzzy K-means);
Otsu 1979, A threshold selection method from gray-level histograms, and Liao, Chen and Chung 2001,
A fast algorithm for multilevel thresholding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from brats3d.baselines.fuzzy_kmeans import fuzzy_kmeans, memberships
from brats3d.errors import ConfigError
from brats3d.extras import import_extra

Brightest = Callable[[NDArray[np.floating]], NDArray[np.float32]]
"""Values ``(N,)`` to how far each belongs to the brightest group, in [0, 1]."""

_HISTOGRAM_BINS = 128


class Partition(Protocol):
    """Parts intensities into groups."""

    @property
    def most_parts(self) -> int:
        """Most groups it can tell apart in reasonable time."""
        ...

    def fit(self, values: NDArray[np.floating], parts: int, generator: np.random.Generator) -> Brightest:
        """Part values ``(N,)``, of which at least ``parts`` differ, into ``parts`` groups."""
        ...


@dataclass(frozen=True)
class KMeans:
    """K-means with K-means++ starts (scikit-learn): a value belongs to the nearest centre or not."""

    starts: int = 3
    """Starts, of which the best is taken."""
    most_parts: int = 8

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: One that cannot work.
        """
        if self.starts < 1:
            raise ConfigError(
                "a setting that cannot work",
                where="method.params.starts",
                got=self.starts,
                expected="1 or more",
            )

    def fit(self, values: NDArray[np.floating], parts: int, generator: np.random.Generator) -> Brightest:
        """See :meth:`Partition.fit`.

        Raises:
            MissingExtraError: scikit-learn is not installed.
        """
        cluster = import_extra("sklearn.cluster", "K-means", "classical", package="scikit-learn")
        seed = int(generator.integers(2**31))
        fitted = cluster.KMeans(parts, n_init=self.starts, random_state=seed).fit(values[:, None])
        *_, second, first = np.sort(fitted.cluster_centers_[:, 0])
        return _above((first + second) / 2)


@dataclass(frozen=True)
class FuzzyKMeans:
    """Fuzzy K-means: the membership in the brightest cluster, full for what is brighter than its centre."""

    fuzzifier: float = 2.0
    """Exponent of the memberships, above 1; large ones blur them."""
    tolerance: float = 1e-3
    """Change of the memberships at which the updates end."""
    most_parts: int = 8

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: One that cannot work.
        """
        for key, value, works, expected in (
            ("fuzzifier", self.fuzzifier, 1 < self.fuzzifier < float("inf"), "a number above 1"),
            ("tolerance", self.tolerance, 0 < self.tolerance < 1, "above 0 and below 1"),
        ):
            if not works:
                raise ConfigError(
                    "a setting that cannot work", where=f"method.params.{key}", got=value, expected=expected
                )

    def fit(self, values: NDArray[np.floating], parts: int, generator: np.random.Generator) -> Brightest:
        """See :meth:`Partition.fit`."""
        found = fuzzy_kmeans(
            values[:, None], parts, fuzzifier=self.fuzzifier, tolerance=self.tolerance, generator=generator
        )
        centres = np.sort(found.centres, axis=0)

        def brightest(values: NDArray[np.floating]) -> NDArray[np.float32]:
            # Beyond the outermost centre memberships would fall again.
            known = np.minimum(values, centres[-1, 0])
            return memberships(known[:, None], centres, self.fuzzifier)[:, -1].astype(np.float32)

        return brightest


@dataclass(frozen=True)
class Otsu:
    """Otsu's thresholds, several where more than two groups are wanted (scikit-image)."""

    most_parts: int = 5

    def fit(self, values: NDArray[np.floating], parts: int, generator: np.random.Generator) -> Brightest:
        """See :meth:`Partition.fit`.

        Raises:
            MissingExtraError: scikit-image is not installed.
        """
        filters = import_extra("skimage.filters", "Otsu's method", "classical", package="scikit-image")
        parts = min(parts, int(np.count_nonzero(np.histogram(values, _HISTOGRAM_BINS)[0])))
        return _above(float(filters.threshold_multiotsu(values, parts, nbins=_HISTOGRAM_BINS)[-1]))


def _above(threshold: float) -> Brightest:
    return lambda values: (values > threshold).astype(np.float32)
