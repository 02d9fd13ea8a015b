"""From probabilities to classes at any thresholds, by the rules of the model that gave the probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from brats3d.labels import LabelConvention
from brats3d.postprocessing import Postprocessing
from brats3d.postprocessing.postprocessing import DEFAULT_THRESHOLD


class LabelRules(Protocol):
    """Rules of a model; none finds a region where no probability reaches the lowest threshold."""

    @property
    def thresholds(self) -> Mapping[str, float] | None:
        """Region to the model's own threshold; None where there are labels alone, and no probabilities."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what happens besides thresholds."""
        ...

    def classes(
        self, probabilities: NDArray[np.float32], thresholds: Mapping[str, float], voxel_volume_ml: float
    ) -> NDArray[np.uint8]:
        """Make classes.

        Args:
            probabilities: ``(R, *S)`` in [0, 1].
            thresholds: Every region to its threshold.
            voxel_volume_ml: Volume of a voxel in millilitres.

        Returns:
            Class indices, uint8 ``(*S)``.
        """
        ...


@dataclass(frozen=True)
class PostprocessingRules:
    """Rules of this package.

    Attributes:
        postprocessing: The rules, with the model's own thresholds.
        convention: Names the regions and classes.
        has_probabilities: Whether thresholds mean something; else probabilities are masks, 0 or 1.
    """

    postprocessing: Postprocessing
    convention: LabelConvention
    has_probabilities: bool = True

    @property
    def thresholds(self) -> Mapping[str, float] | None:
        """See :class:`LabelRules`."""
        if not self.has_probabilities:
            return None
        own = self.postprocessing.thresholds
        return {name: own.get(name, DEFAULT_THRESHOLD) for name in self.convention.region_names}

    @property
    def notes(self) -> tuple[str, ...]:
        """See :class:`LabelRules`."""
        rules = self.postprocessing
        small = [
            f"Components of {name} below {volume_ml:g} ml are removed."
            for name, volume_ml in rules.min_component_ml.items()
            if volume_ml > 0
        ]
        largest = [f"Only the largest component of {name} is kept." for name in rules.largest_only]
        tiny = rules.et_to_ncr_below_ml
        replaced = [f"ET of less than {tiny:g} ml altogether becomes NCR."] if tiny > 0 else []
        return (*small, *largest, *replaced)

    def classes(
        self, probabilities: NDArray[np.float32], thresholds: Mapping[str, float], voxel_volume_ml: float
    ) -> NDArray[np.uint8]:
        """See :class:`LabelRules`."""
        rules = replace(self.postprocessing, thresholds=thresholds if self.has_probabilities else {})
        regions = rules.regions(probabilities, self.convention, voxel_volume_ml)
        return self.convention.classes_from_regions(regions)
