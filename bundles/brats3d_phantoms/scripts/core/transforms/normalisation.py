# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Intensity normalisation inside the brain."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.transforms import MapTransform
from numpy.typing import NDArray

NORMALISATIONS = ("zscore", "robust", "minmax", "none")

# Steps between black and white in pictures of eight bits.
_STEPS = 255

# Quartiles of a normal distribution lie this many standard deviations apart.
_QUARTILES_APART = 1.349


class NormaliseInBraind(MapTransform):
    """Shift and scale each channel of ``image`` over its field of view; zero outside.

    Args:
        method: ``zscore`` (mean 0, standard deviation 1); ``robust`` (median 0, quartiles as far apart
            as those of a standard normal distribution: a large bright tumour then does not change
            what healthy tissue looks like); ``minmax`` (from 0 to 1 in the 255 steps of pictures of
            eight bits); or ``none`` to keep the intensities (the outside still
            becomes zero).
        clip: Largest absolute value after that, or None.
    """

    def __init__(self, method: str, clip: float | None) -> None:
        super().__init__(keys="image")
        self.method = method
        self.clip = clip

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Normalise one sample with ``image`` and ``fields_of_view``, both ``(C, X, Y, Z)``."""
        sample = dict(data)
        image = np.array(sample["image"], dtype=np.float32, order="C")
        for channel, view in zip(image, sample["fields_of_view"], strict=True):
            values = channel[view]
            if self.method == "minmax":
                values = _in_steps(values)
            elif self.method != "none":
                centre, spread = _centre_and_spread(values, self.method)
                values = ((values - centre) / max(spread, 1e-8)).astype(np.float32)
                if self.clip is not None:
                    np.clip(values, -self.clip, self.clip, out=values)
            channel[...] = 0.0
            channel[view] = values
        sample["image"] = image
        return sample


def _in_steps(values: NDArray[np.float32]) -> NDArray[np.float32]:
    if not values.size:
        return values
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) * (_STEPS / max(high - low, 1e-8))
    return (np.rint(scaled) / _STEPS).astype(np.float32)


def _centre_and_spread(values: NDArray[np.float32], method: str) -> tuple[float, float]:
    if method == "robust" and values.size:
        low, middle, high = np.percentile(values, [25, 50, 75])
        if high > low:
            return float(middle), float(high - low) / _QUARTILES_APART
    # Float64 sums: float32 loses digits over millions of voxels.
    return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
