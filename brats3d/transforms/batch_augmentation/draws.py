"""What chance does to one sample, drawn on the CPU before its voxels are touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from brats3d.transforms.rotation_scaling import RandRotateScaled

_CHANNEL_PROBABILITY = 0.5  # of blur and low resolution, as in brats3d.transforms.augmentation


@dataclass(frozen=True)
class Draws:
    """The changes of one sample, in the order in which they are made.

    Attributes:
        flips: Spatial axes that are mirrored.
        matrix: From output to input voxel offsets after the flips, float32 ``(D, D)``; None: neither
            rotated nor scaled.
        noise_std: Standard deviation of the noise; 0: none.
        noise_seed: Seed of the noise.
        blurs: Channel to standard deviation of its blur in voxels along each axis.
        offsets: What is added to each channel; empty: nothing.
        factors: What each channel is multiplied by; empty: nothing.
        zooms: Channel to the share of its voxels per axis that remain.
        gammas: Exponent of each channel; empty: no power law.
        inverted: Whether the power law acts on the inverted channel.
        dropped: Channels that are blanked.
    """

    flips: tuple[int, ...] = ()
    matrix: Tensor | None = None
    noise_std: float = 0.0
    noise_seed: int = 0
    blurs: Mapping[int, tuple[float, ...]] | None = None
    offsets: tuple[float, ...] = ()
    factors: tuple[float, ...] = ()
    zooms: Mapping[int, float] | None = None
    gammas: tuple[float, ...] = ()
    inverted: tuple[bool, ...] = ()
    dropped: tuple[int, ...] = ()

    @property
    def changes_intensities(self) -> bool:
        """Whether anything happens to the image that does not happen to the classes."""
        parts = (self.blurs, self.offsets, self.factors, self.zooms, self.gammas, self.dropped)
        return self.noise_std > 0 or any(parts)


class Drawing:
    """Draws what happens to samples.

    Args:
        settings: Every keyword argument of :func:`brats3d.transforms.augmentation.build_augmentation`.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._motion = RandRotateScaled(
            settings["spatial_dims"],
            rotation_probability=settings["rotation_probability"],
            rotation_degrees=settings["rotation_degrees"],
            scaling_probability=settings["scaling_probability"],
            scaling_range=settings["scaling_range"],
        )

    def __call__(self, seed: int, channels: int) -> Draws:
        """Draw for a sample of ``channels`` channels; ``seed`` decides everything."""
        settings, generator = self._settings, np.random.default_rng(seed)

        def happens(part: str) -> bool:
            return bool(generator.random() < settings[f"{part}_probability"])

        def each(part: str, low: float, high: float) -> tuple[float, ...]:
            return tuple(generator.uniform(low, high, channels).tolist()) if happens(part) else ()

        def some(part: str) -> list[int]:
            if not happens(part):
                return []
            return np.flatnonzero(generator.random(channels) < _CHANNEL_PROBABILITY).tolist()

        dims, axes = settings["spatial_dims"], settings["flip_axes"]
        offset = settings["brightness_offset"]
        flips = tuple(axis for axis in (range(dims) if axes is None else axes) if happens("flip"))
        self._motion.set_random_state(int(generator.integers(2**31)))
        noise_std = generator.uniform(0, settings["noise_std"]) if happens("noise") else 0.0
        noise_seed = int(generator.integers(2**63))
        sharpest, softest = settings["blur_sigma_range"]
        blurs = {
            channel: tuple(generator.uniform(sharpest, softest, dims).tolist()) for channel in some("blur")
        }
        offsets = each("brightness", -offset, offset)
        factors = each("contrast", *settings["contrast_range"])
        coarsest, finest = settings["low_resolution_range"]
        zooms = {channel: generator.uniform(coarsest, finest) for channel in some("low_resolution")}
        gammas = each("gamma", *settings["gamma_range"])
        inverted = tuple((generator.random(len(gammas)) < 0.5).tolist())
        return Draws(
            flips=flips,
            matrix=self._motion.draw(),
            noise_std=noise_std,
            noise_seed=noise_seed,
            blurs=blurs,
            offsets=offsets,
            factors=factors,
            zooms=zooms,
            gammas=gammas,
            inverted=inverted,
            dropped=self._dropped(generator, channels) if happens("modality_dropout") else (),
        )

    @staticmethod
    def _dropped(generator: np.random.Generator, channels: int) -> tuple[int, ...]:
        """Draw some of the channels, one at least and never all."""
        if channels == 1:
            return ()
        number = int(generator.integers(1, channels))
        return tuple(generator.permutation(channels)[:number].tolist())
