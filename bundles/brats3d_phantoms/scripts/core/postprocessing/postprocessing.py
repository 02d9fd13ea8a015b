# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""From probabilities to region masks and label maps: thresholds, components, tiny ET, nesting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from scripts.core.errors import ConfigError, closest_first
from scripts.core.labels import ET, LabelConvention, Region
from scripts.core.postprocessing.components import largest_component, without_small_components

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Postprocessing:
    """Rules that turn probabilities of regions into masks.

    Regions are treated from the outermost inwards (WT, TC, ET). Each is the set of voxels above its
    threshold that also lie in every region around it, without its small components. So an inner
    region never reaches outside the outer ones: the outer one is the easier and more certain call,
    and :meth:`LabelConvention.from_regions` reads overlapping masks in the same way. What is removed
    from an inner region stays in the outer ones, so removed ET becomes NCR.

    With a softmax head the probability of a region is the sum over its classes. A threshold of 0.5
    on the sum gives the class of largest probability wherever that is above 0.5; where no class
    has the majority it decides region by region, so a voxel torn between NCR, ED and ET is tumour
    even though the background may be the largest of the four.

    Attributes:
        thresholds: Region to the probability above which a voxel belongs to it, between 0 and 1;
            0.5 for regions that are not named.
        min_component_ml: Region to the volume in millilitres below which a connected component
            (26 neighbours, 8 in 2-D) is removed; 0 for regions that are not named.
        largest_only: Regions of which only the largest component is kept.
        et_to_ncr_below_ml: When all ET of a case together has less volume than this, it becomes
            NCR; 0 switches the rule off. (Where the reference has no ET, a few voxels of it cost
            the whole Dice: Isensee et al. 2021, "nnU-Net for Brain Tumor Segmentation".)

    Raises:
        ConfigError: A threshold outside (0, 1) or a negative volume.
    """

    thresholds: Mapping[str, float] = field(default_factory=dict)
    min_component_ml: Mapping[str, float] = field(default_factory=dict)
    largest_only: Sequence[str] = ()
    et_to_ncr_below_ml: float = 0.0

    def __post_init__(self) -> None:
        """Freeze and check the values."""
        object.__setattr__(self, "thresholds", MappingProxyType(dict(self.thresholds)))
        object.__setattr__(self, "min_component_ml", MappingProxyType(dict(self.min_component_ml)))
        object.__setattr__(self, "largest_only", tuple(self.largest_only))
        for name, threshold in self.thresholds.items():
            if not 0 < threshold < 1:
                raise _invalid(f"postprocess.thresholds.{name}", threshold, "between 0 and 1")
        for name, volume_ml in self.min_component_ml.items():
            if not 0 <= volume_ml < float("inf"):
                raise _invalid(f"postprocess.min_component_ml.{name}", volume_ml, "millilitres, 0 or more")
        if not 0 <= self.et_to_ncr_below_ml < float("inf"):
            raise _invalid("postprocess.et_to_ncr_below_ml", self.et_to_ncr_below_ml, "0 or more")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Pickle without the read-only views."""
        return Postprocessing, (
            dict(self.thresholds),
            dict(self.min_component_ml),
            self.largest_only,
            self.et_to_ncr_below_ml,
        )

    def check(self, region_names: Sequence[str]) -> None:
        """Check that every region the rules name is one that is predicted.

        Raises:
            ConfigError: A rule for a region that is not predicted; the closest is suggested.
        """
        named = {
            "postprocess.thresholds": self.thresholds,
            "postprocess.min_component_ml": self.min_component_ml,
            "postprocess.largest_only": self.largest_only,
            "postprocess.et_to_ncr_below_ml": (ET.name,) if self.et_to_ncr_below_ml else (),
        }
        for key, names in named.items():
            for name in names:
                if name not in region_names:
                    choices = closest_first(name, region_names)
                    raise ConfigError(
                        f"a postprocessing rule for the region {name!r}, which is not predicted",
                        where=key,
                        got=name,
                        expected="one of " + ", ".join(choices),
                        remedy=f"did you mean {choices[0]!r}? Otherwise remove the rule",
                    )

    def __call__(
        self, probabilities: NDArray[np.floating], convention: LabelConvention, voxel_volume_ml: float
    ) -> NDArray[np.uint8]:
        """Label map, uint8 ``(*S)`` in the values of ``convention``; arguments as in :meth:`regions`.

        Raises:
            ConfigError: A rule for a region that ``convention`` does not have.
            LabelError: ``convention`` has no value for a predicted tissue.
        """
        return convention.from_regions(self.regions(probabilities, convention, voxel_volume_ml))

    def regions(
        self, probabilities: NDArray[np.floating], convention: LabelConvention, voxel_volume_ml: float
    ) -> NDArray[np.bool_]:
        """Masks of the regions, each within those around it.

        Args:
            probabilities: ``(R, *S)`` in [0, 1], in the order of ``convention.regions``.
            convention: Names the regions.
            voxel_volume_ml: Volume of one voxel in millilitres.

        Returns:
            Masks, bool ``(R, *S)``.

        Raises:
            ConfigError: A rule for a region that ``convention`` does not have.
        """
        assert len(probabilities) == len(convention.regions), (probabilities.shape, convention.region_names)
        self.check(convention.region_names)
        masks = np.zeros(probabilities.shape, dtype=bool)
        # A region has more tissues than any region within it.
        order = sorted(range(len(masks)), key=lambda index: -len(convention.regions[index].tissues))
        for index in order:
            region = convention.regions[index]
            mask = probabilities[index] > self.thresholds.get(region.name, DEFAULT_THRESHOLD)
            for outer in _around(region, convention):
                mask &= masks[outer]
            masks[index] = self._cleaned(mask, region.name, voxel_volume_ml)
        return masks

    def _cleaned(self, mask: NDArray[np.bool_], name: str, voxel_volume_ml: float) -> NDArray[np.bool_]:
        mask = without_small_components(mask, self.min_component_ml.get(name, 0.0), voxel_volume_ml)
        if name in self.largest_only:
            mask = largest_component(mask)
        if name == ET.name and mask.sum() * voxel_volume_ml < self.et_to_ncr_below_ml:
            return np.zeros_like(mask)
        return mask


def _around(region: Region, convention: LabelConvention) -> list[int]:
    """Indices of the regions that hold all tissues of ``region`` and more."""
    return [index for index, other in enumerate(convention.regions) if region.tissues < other.tissues]


def _invalid(where: str, got: float, expected: str) -> ConfigError:
    return ConfigError("invalid value in the postprocessing", where=where, got=got, expected=expected)
