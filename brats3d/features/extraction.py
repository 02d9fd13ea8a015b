"""All features of the regions of a case."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from brats3d.features.cooccurrence import Neighbours
from brats3d.features.discretisation import Levels
from brats3d.features.families import FeatureSettings
from brats3d.features.glcm import glcm
from brats3d.features.histogram import histogram
from brats3d.features.location import Brain, location
from brats3d.features.morphology import intensity_morphology, morphology
from brats3d.features.statistics import statistics

EMPTY = "the region is empty"
NO_IMAGE = "the case has no such image"
NOT_FINITE = "no voxel of the region is a finite number"
TOO_MANY_LEVELS = "more than 1024 bins of this width"
UNDEFINED = "undefined for this region (a denominator is zero, or nothing to compare with)"


@dataclass(frozen=True)
class FeatureRow:
    """One value.

    Attributes:
        region: Name of the region.
        modality: Image the value is of; empty for features of the mask alone.
        feature: Name of the feature.
        value: Its value, or NaN.
        unit: Its unit.
        reason: Why there is no value; empty where there is one.
    """

    region: str
    modality: str
    feature: str
    value: float
    unit: str
    reason: str = ""


@dataclass(frozen=True, eq=False)
class CaseFeatures:
    """Features of a case.

    Attributes:
        rows: One for each region, image and feature, in an order that depends on the settings alone.
        notes: What was left out, one sentence each.
    """

    rows: tuple[FeatureRow, ...]
    notes: tuple[str, ...] = field(default=())


def case_features(
    masks: Mapping[str, NDArray[np.bool_]],
    images: Mapping[str, NDArray[np.floating] | None],
    affine: NDArray[np.float64],
    settings: FeatureSettings,
    brain: Brain | None = None,
) -> CaseFeatures:
    """Compute the features of every region, of its mask alone and in every image.

    Args:
        masks: Region name to bool ``(X, Y, Z)``.
        images: Modality to float ``(X, Y, Z)`` on the same grid, or None where there is none. Voxels that
            are not finite are left out of the intensities (IBSI: the intensity mask), and noted.
        affine: Float64 ``(4, 4)``, voxel index to RAS+ millimetres.
        settings: Which features, and how.
        brain: What locations refer to; None leaves out what needs it.

    Raises:
        MissingExtraError: Morphology without scikit-image.
    """
    rows: list[FeatureRow] = []
    notes: list[str] = []
    for name, mask in masks.items():
        region = _Region(name, mask, affine, settings, brain)
        rows += region.of_mask()
        for modality, image in images.items():
            rows += region.of_image(modality, image)
        notes += region.notes
    return CaseFeatures(tuple(rows), tuple(notes))


class _Region:
    """One region, cut out of the volume."""

    def __init__(
        self,
        name: str,
        mask: NDArray[np.bool_],
        affine: NDArray[np.float64],
        settings: FeatureSettings,
        brain: Brain | None,
    ) -> None:
        self.notes: list[str] = []
        self._name = name
        self._settings = settings
        self._brain = brain
        box = ndimage.find_objects(mask.view(np.uint8))
        self._box = box[0] if box else None
        self._volume_mm3 = math.nan
        self._slice_axis = slice_axis(affine)
        if self._box is not None:
            self._mask = mask[self._box]
            start = np.array([edge.start for edge in self._box], dtype=np.float64)
            self._affine = affine.copy()
            self._affine[:3, 3] += affine[:3, :3] @ start

    def of_mask(self) -> Iterator[FeatureRow]:
        """Yield what needs no image."""
        definitions = self._settings.of_mask(brain=self._brain is not None)
        values: dict[str, float] = {}
        if self._box is not None:
            if self._settings.has("morphology"):
                values |= morphology(self._mask, self._affine[:3, :3])
                self._volume_mm3 = values["morph_volume_mesh"]
            if self._settings.has("location"):
                values |= location(self._mask, self._affine, self._brain)
        missing = EMPTY if self._box is None else UNDEFINED
        for name, definition in definitions.items():
            yield self._row("", name, values.get(name, math.nan), definition.unit, missing)

    def of_image(self, modality: str, image: NDArray[np.floating] | None) -> Iterator[FeatureRow]:
        """Yield what an image shows in the region."""
        values, missing = self._values(modality, image)
        for name, definition in self._settings.of_image().items():
            reason = missing.get(name.partition("_")[0], UNDEFINED)
            yield self._row(modality, name, values.get(name, math.nan), definition.unit, reason)

    def _values(
        self, modality: str, image: NDArray[np.floating] | None
    ) -> tuple[dict[str, float], dict[str, str]]:
        """Return values by feature, and why others are missing by the first word of their names."""
        prefixes = ("morph", "stat", "ih", "cm")
        if self._box is None:
            return {}, dict.fromkeys(prefixes, EMPTY)
        if image is None:
            return {}, dict.fromkeys(prefixes, NO_IMAGE)
        inside = image[self._box]
        finite = self._mask & np.isfinite(inside)
        intensities = inside[finite]
        lost = int(self._mask.sum()) - intensities.size
        if lost:
            self.notes.append(f"{self._name} in {modality}: {lost} voxels are not finite and are left out")
        if not intensities.size:
            return {}, dict.fromkeys(prefixes, NOT_FINITE)
        values: dict[str, float] = {}
        if self._settings.has("morphology"):
            values |= intensity_morphology(self._mask, inside, self._affine[:3, :3], self._volume_mm3)
        if self._settings.has("statistics"):
            values |= statistics(intensities)
        if not (self._settings.has("histogram") or self._settings.has("glcm")):
            return values, {}
        levels = self._settings.discretisation.levels(intensities)
        if levels is None:
            return values, {"ih": TOO_MANY_LEVELS, "cm": TOO_MANY_LEVELS}
        if self._settings.has("histogram"):
            values |= histogram(levels)
        if self._settings.has("glcm"):
            values |= self._texture(finite, levels)
        return values, {}

    def _texture(self, finite: NDArray[np.bool_], levels: Levels) -> dict[str, float]:
        neighbours = Neighbours(
            finite, levels, distance=self._settings.glcm_distance, slice_axis=self._slice_axis
        )
        values: dict[str, float] = {}
        for aggregation in self._settings.glcm:
            values |= glcm(neighbours, aggregation)
        return values

    def _row(self, modality: str, feature: str, value: float, unit: str, reason: str) -> FeatureRow:
        there = math.isfinite(value)
        return FeatureRow(
            self._name, modality, feature, value if there else math.nan, unit, "" if there else reason
        )


def slice_axis(affine: NDArray[np.float64]) -> int:
    """Find the axis of the volume that runs most nearly from bottom to top; slices lie across it."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return int(np.abs(directions[2]).argmax())
