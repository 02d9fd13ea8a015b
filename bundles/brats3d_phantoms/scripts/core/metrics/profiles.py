# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Rules of the challenges as tables: a profile decides everything about a score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from scripts.core.errors import ConfigError
from scripts.core.metrics.empty_policy import BRATS2023, EMPTY_POLICIES, EmptyPolicy
from scripts.core.metrics.lesions import LesionRules
from scripts.core.metrics.surfaces import SURFACE_DEFINITIONS
from scripts.core.registry import look_up


@dataclass(frozen=True)
class Profile:
    """Everything that decides a score.

    Attributes:
        name: Registry name.
        source: Where the rules come from.
        definition: Surface definition of the distances, a key of
            :data:`~brats3d.metrics.surfaces.SURFACE_DEFINITIONS`.
        policy: What a metric is worth when a mask is empty.
        nsd_tolerances_mm: Tolerances of the normalised surface Dice.
        lesions: Lesion-wise rules.
    """

    name: str
    source: str
    definition: str = "area"
    policy: EmptyPolicy = BRATS2023
    nsd_tolerances_mm: tuple[float, ...] = (1.0,)
    lesions: LesionRules = field(default_factory=LesionRules)

    def __post_init__(self) -> None:
        """Check names and numbers."""
        look_up(SURFACE_DEFINITIONS, self.definition, "definition")
        tolerances = tuple(float(value) for value in self.nsd_tolerances_mm)
        if not all(0 <= value < math.inf for value in tolerances):
            raise ConfigError(
                "a tolerance of the surface Dice that cannot work",
                where="tolerances_mm",
                got=list(self.nsd_tolerances_mm),
                expected="distances in millimetres, 0 or more, such as [1, 2]",
            )
        object.__setattr__(self, "nsd_tolerances_mm", tuple(dict.fromkeys(tolerances)))

    def with_penalty(self, penalty_mm: float) -> Profile:
        """Return the same profile with another distance for what was missed or invented.

        Raises:
            ConfigError: A negative distance.
        """
        policy = self.policy.with_penalty(penalty_mm)
        return replace(self, policy=policy, lesions=replace(self.lesions, penalty_mm=penalty_mm))

    def as_dict(self) -> dict[str, Any]:
        """Return the profile as plain JSON content."""
        return {
            "name": self.name,
            "source": self.source,
            "definition": self.definition,
            "definition_says": SURFACE_DEFINITIONS[self.definition].description,
            "policy": self.policy.as_dict(),
            "nsd_tolerances_mm": list(self.nsd_tolerances_mm),
            "lesions": self.lesions.as_dict(),
        }


_SCRIPT_2023 = "BraTS 2023 challenge script (Moawad et al. 2024, arXiv 2306.00838)"
_PACKAGE_2025 = "BraTS 2025 and 2026, package brats-evaluation 0.0.10 (Kofler et al. 2023, arXiv 2312.02608)"

_LESIONS_2025 = LesionRules(
    matching="best_pairs",
    dilation_voxels=0,
    threshold_mm3=0.0,
    unmatched_in_mean=False,
    penalty_mm=373.0,
    nothing=(math.nan, math.nan, math.nan),
)


def _of_2023(task: str, *, dilation_voxels: int, threshold_mm3: float) -> Profile:
    lesions = LesionRules(dilation_voxels=dilation_voxels, threshold_mm3=threshold_mm3)
    return Profile(f"brats2023-{task}", _SCRIPT_2023, lesions=lesions)


def _of_2025(name: str, lesions: LesionRules) -> Profile:
    policy = EMPTY_POLICIES["brats2025"]
    # The package takes 0.5 mm for the whole region and 1 mm for a lesion.
    return Profile(name, _PACKAGE_2025, "pooled", policy, nsd_tolerances_mm=(0.5, 1.0), lesions=lesions)


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            _of_2023("gli", dilation_voxels=3, threshold_mm3=50),
            _of_2023("ssa", dilation_voxels=3, threshold_mm3=50),
            _of_2023("ped", dilation_voxels=3, threshold_mm3=50),
            _of_2023("men", dilation_voxels=1, threshold_mm3=50),
            _of_2023("met", dilation_voxels=1, threshold_mm3=2),
            Profile(
                "brats2024-gli",
                "rules of BraTS 2023 with the thresholds of 2024 (de Verdier et al. 2024, arXiv 2405.18368)",
                nsd_tolerances_mm=(0.5, 1.0),
                lesions=LesionRules(threshold_mm3=20, region_thresholds_mm3={"ET": 10, "RC": 10}),
            ),
            _of_2025("brats2025", _LESIONS_2025),
            _of_2025(
                "brats2025-met",
                LesionRules(
                    matching="best_pairs",
                    dilation_voxels=0,
                    threshold_mm3=27.0,
                    at_threshold_counts=True,
                    detection_dice=0.2,
                    needs_reference=True,
                    penalty_mm=373.0,
                    nothing=(math.nan, math.nan, math.nan),
                ),
            ),
        )
    }
)

DEFAULT_PROFILE = PROFILES["brats2023-gli"]
