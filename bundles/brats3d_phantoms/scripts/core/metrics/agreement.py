# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""One region of one case, measured once; every metric reads from it."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scripts.core.metrics.counts import count_voxels
from scripts.core.metrics.empty_policy import APART, PREDICTION_MISSING, empty_state
from scripts.core.metrics.lesions import LesionScores, score_lesions
from scripts.core.metrics.profiles import Profile
from scripts.core.metrics.surfaces import SurfaceDistances, surface_distances


class Agreement:
    """Agreement of two masks; surfaces and lesions are measured when first asked for, and once.

    Args:
        prediction: Bool ``(*S)``, two or three axes, cropped as far as the masks allow.
        reference: Bool ``(*S)``.
        spacing_mm: Voxel size along each axis.
        profile: The rules.
        case_id: Case.
        region: Region name.
        background_outside: Voxels beyond the arrays that are in neither mask.
        missing: Whether there is no prediction at all.
    """

    def __init__(
        self,
        prediction: NDArray[np.bool_],
        reference: NDArray[np.bool_],
        *,
        spacing_mm: tuple[float, ...],
        profile: Profile,
        case_id: str,
        region: str,
        background_outside: int,
        missing: bool,
    ) -> None:
        self.prediction = prediction
        self.reference = reference
        self.spacing_mm = spacing_mm
        self.profile = profile
        self.case_id = case_id
        self.region = region
        self.counts = count_voxels(prediction, reference, background_outside=background_outside)
        self.empty = (
            PREDICTION_MISSING if missing else empty_state(self.counts.predicted, self.counts.referenced)
        )

    @property
    def state(self) -> str:
        """Which line of the empty policy applies."""
        return self.empty or ("" if self.counts.tp else APART)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel; NaN for 2-D images."""
        return math.prod(self.spacing_mm) / 1000 if len(self.spacing_mm) == 3 else math.nan

    @cached_property
    def surfaces(self) -> SurfaceDistances:
        """Distances between the surfaces; neither mask may be empty."""
        return surface_distances(
            self.prediction,
            self.reference,
            spacing_mm=self.spacing_mm,
            definition=self.profile.definition,
        )

    @cached_property
    def lesions(self) -> LesionScores:
        """Lesion-wise scores."""
        return score_lesions(
            self.prediction,
            self.reference,
            spacing_mm=self.spacing_mm,
            rules=self.profile.lesions,
            definition=self.profile.definition,
            tolerances_mm=self.profile.nsd_tolerances_mm,
            case_id=self.case_id,
            region=self.region,
            whole=lambda: self.surfaces,
        )
