"""How far each voxel of an image belongs to its brightest tissue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brats3d.baselines.partitions import Partition
from brats3d.errors import ConfigError


@dataclass(frozen=True)
class BrightTissue:
    """Parts the intensities of an image into tissues and takes the brightest.

    How many tissues can be told apart differs between images. So there are more and more of them until the
    brightest takes up no more than a given share of the image.

    Attributes:
        partition: How intensities are parted.
        parts: Fewest tissues.
        most_share: Share of the voxels that the brightest tissue may take up.
        voxels: Voxels, drawn evenly, that tissues are found with; all voxels are then assigned.
        seed: Seed of the draws.
    """

    partition: Partition
    parts: int = 3
    most_share: float = 0.2
    voxels: int = 50_000
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: One that cannot work.
        """
        for key, works, expected in (
            ("parts", 2 <= self.parts <= self.partition.most_parts, f"2 to {self.partition.most_parts}"),
            ("most_share", 0 < self.most_share <= 1, "a share above 0, at most 1"),
            ("voxels", self.voxels >= 1, "1 or more"),
        ):
            if not works:
                raise ConfigError(
                    "a setting that cannot work",
                    where=f"method.{key}",
                    got=getattr(self, key),
                    expected=expected,
                )

    def __call__(self, image: NDArray[np.floating], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return how far each voxel belongs to the brightest tissue.

        Args:
            image: Intensities ``(*S)``.
            inside: Voxels that count, bool ``(*S)``.

        Returns:
            Float32 ``(*S)`` in [0, 1]; zero outside, and everywhere when there are fewer intensities
            than tissues.
        """
        result = np.zeros(image.shape, dtype=np.float32)
        values = image[inside]
        generator = np.random.default_rng(self.seed)
        drawn = values if len(values) <= self.voxels else generator.choice(values, self.voxels)
        distinct = np.unique(drawn).size
        if distinct < self.parts:
            return result
        for parts in range(self.parts, max(self.parts, min(self.partition.most_parts, distinct)) + 1):
            brightest = self.partition.fit(drawn, parts, generator)
            if (brightest(drawn) > 0.5).mean() <= self.most_share:
                break
        result[inside] = brightest(values)
        return result
