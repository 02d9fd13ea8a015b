"""Intensity normalisation inside the brain."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.transforms import MapTransform

NORMALISATIONS = ("zscore", "none")


class NormaliseInBraind(MapTransform):
    """Z-score each channel of ``image`` over its field of view; zero outside.

    Args:
        method: ``zscore``, or ``none`` to keep the intensities (the outside still becomes zero).
        clip: Largest absolute value after z-scoring, or None.
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
            if self.method == "zscore":
                # Float64 sums: float32 loses digits over millions of voxels.
                mean, deviation = values.mean(dtype=np.float64), values.std(dtype=np.float64)
                values = ((values - mean) / max(deviation, 1e-8)).astype(np.float32)
                if self.clip is not None:
                    np.clip(values, -self.clip, self.clip, out=values)
            channel[...] = 0.0
            channel[view] = values
        sample["image"] = image
        return sample
