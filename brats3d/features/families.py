"""Which features are computed, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from brats3d.errors import ConfigError
from brats3d.features.cooccurrence import AGGREGATIONS
from brats3d.features.definitions import INTENSITY, Definition, Definitions
from brats3d.features.discretisation import Discretisation
from brats3d.features.glcm import GLCM
from brats3d.features.histogram import HISTOGRAM
from brats3d.features.location import BRAIN_LOCATION, LOCATION
from brats3d.features.morphology import INTENSITY_MORPHOLOGY, MORPHOLOGY
from brats3d.features.statistics import STATISTICS
from brats3d.registry import look_up

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "morphology": "size and shape of the mask; with images, how intensities lie in it",
        "location": "place in space; with images, relative to the brain",
        "statistics": "statistics of intensities",
        "histogram": "statistics of discretised intensities",
        "glcm": "grey level co-occurrence matrices of discretised intensities",
    }
)


@dataclass(frozen=True)
class FeatureSettings:
    """Which features are computed, and how.

    Attributes:
        families: Names in :data:`FAMILIES`.
        discretisation: Bins of histogram and texture features.
        glcm: Names in :data:`~brats3d.features.cooccurrence.AGGREGATIONS`.
        glcm_distance: Chebyshev distance of neighbours in voxels.
        intensity_unit: Unit of the images.

    Raises:
        ConfigError: An unknown name, nothing to compute, or a distance below 1.
    """

    families: tuple[str, ...] = tuple(FAMILIES)
    discretisation: Discretisation = field(default_factory=Discretisation)
    glcm: tuple[str, ...] = ("3d_averaged", "3d_merged")
    glcm_distance: int = 1
    intensity_unit: str = INTENSITY

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in self.families:
            look_up(FAMILIES, name, "families")
        for name in self.glcm:
            look_up(AGGREGATIONS, name, "glcm")
        for key, names in (("families", self.families), ("glcm", self.glcm)):
            if len(set(names)) != len(names) or not names:
                raise ConfigError(
                    f"{key} must name each choice once", where=key, got=names, expected="at least one name"
                )
        if self.glcm_distance < 1:
            raise ConfigError(
                "a distance that cannot work",
                where="glcm_distance",
                got=self.glcm_distance,
                expected="1 voxel or more",
            )

    def has(self, family: str) -> bool:
        """Whether a family is computed."""
        return family in self.families

    def of_mask(self, *, brain: bool) -> Definitions:
        """Return the features of a mask alone.

        Args:
            brain: Whether the brain is known.
        """
        chosen: dict[str, Definition] = {}
        if self.has("morphology"):
            chosen |= MORPHOLOGY
        if self.has("location"):
            chosen |= LOCATION
            chosen |= BRAIN_LOCATION if brain else {}
        return chosen

    def of_image(self) -> Definitions:
        """Return the features of an image within a mask."""
        chosen: dict[str, Definition] = {}
        if self.has("morphology"):
            chosen |= INTENSITY_MORPHOLOGY
        if self.has("statistics"):
            chosen |= STATISTICS
        if self.has("histogram"):
            chosen |= HISTOGRAM
        if self.has("glcm"):
            chosen |= {
                f"{name}_{aggregation}": definition
                for aggregation in self.glcm
                for name, definition in GLCM.items()
            }
        return {
            name: replace(definition, unit=definition.unit.replace(INTENSITY, self.intensity_unit))
            for name, definition in chosen.items()
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON content."""
        return asdict(self)
