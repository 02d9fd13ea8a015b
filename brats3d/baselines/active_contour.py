"""Active contour without edges: a surface that moves until it parts bright from dark.

Sources: Chan and Vese 2001, Active contours without edges; Marquez-Neila, Baumela and Alvarez 2014,
A morphological approach to curvature-based evolution of curves and surfaces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brats3d.baselines.components import bounding_box
from brats3d.errors import ConfigError
from brats3d.extras import import_extra


@dataclass(frozen=True)
class ActiveContour:
    """Moves the surface of a mask by the morphological Chan-Vese scheme (scikit-image).

    Attributes:
        iterations: Steps, an even number; the surface moves by one voxel at most in each. (The scheme
            takes turns with two operators, and each image is to begin with the same.)
        smoothing: Rounds of smoothing (mean curvature) after each step.
        inside_weight: Weight of the spread of intensities within the surface; below that of the outside,
            which is 1, the surface takes in more.
        margin: Voxels around the mask that the surface may grow by; what lies farther does not count.
    """

    iterations: int = 20
    smoothing: int = 1
    inside_weight: float = 1.0
    margin: int = 12

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: One that cannot work.
        """
        expected = {"iterations": "an even number, 2 or more", "smoothing": "0 or more"}
        for key, works in (
            ("iterations", self.iterations >= 2 and self.iterations % 2 == 0),
            ("smoothing", self.smoothing >= 0),
            ("inside_weight", 0 < self.inside_weight < float("inf")),
            ("margin", self.margin >= 1),
        ):
            if not works:
                raise ConfigError(
                    "a setting that cannot work",
                    where=f"method.params.{key}",
                    got=getattr(self, key),
                    expected=expected.get(key, "more than 0"),
                )

    def __call__(
        self, image: NDArray[np.floating], inside: NDArray[np.bool_], mask: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Move the surface of a mask.

        Args:
            image: Intensities ``(*S)``, two or three axes.
            inside: Voxels that count, bool ``(*S)``.
            mask: Where the surface starts, bool ``(*S)``.

        Returns:
            Bool ``(*S)``, within ``inside``.

        Raises:
            MissingExtraError: scikit-image is not installed.
        """
        segmentation = import_extra(
            "skimage.segmentation", "the active contour", "classical", package="scikit-image"
        )
        box = bounding_box(mask, self.margin)
        if box is None:
            return mask
        seen = inside[box] & ~mask[box]
        if not seen.any():
            return mask
        # What is no brain looks like the brain around the mask, so that it draws the surface nowhere.
        around = np.float32(np.median(image[box][seen]))
        moved = segmentation.morphological_chan_vese(
            np.where(inside[box], image[box], around),
            self.iterations,
            init_level_set=mask[box],
            smoothing=self.smoothing,
            lambda1=self.inside_weight,
            lambda2=1.0,
        )
        result = np.zeros_like(mask)
        result[box] = moved.astype(bool) & inside[box]
        return result
