"""Settings of segmentation without training, as frozen dataclasses."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from brats3d.config.data import PreprocessConfig
from brats3d.config.inference import PostprocessConfig
from brats3d.config.reading import from_file


@dataclass(frozen=True)
class MethodConfig:
    """How the brightest tissue of an image is found."""

    name: str = "fuzzy_kmeans"
    """kmeans, fuzzy_kmeans, otsu, or active_contour (which starts from otsu)."""
    params: dict[str, Any] = field(default_factory=dict)
    """Parameters of the method, such as fuzzifier."""
    parts: int = 3
    """Fewest tissues the brain is parted into."""
    most_share: float = 0.2
    """Share of the brain that the brightest may take up; there are more and more parts until it does."""
    voxels: int = 50_000
    """Voxels, drawn at random, that tissues are found with."""


@dataclass(frozen=True)
class RuleConfig:
    """What makes bright tissue a tumour."""

    opening: int = 1
    """Bridges of up to twice as many voxels do not join bright tissue into one piece."""
    closing: int = 3
    """The hull of the tumour is closed over gaps of up to twice as many voxels."""
    border: int = 2
    """Voxels around the tumour in which memberships below one half are kept."""
    enhancement: float = 1.5
    """Standard deviations of T1ce in the rest of the brain by which ET is brighter than its mean."""


@dataclass(frozen=True)
class ClassicalConfig:
    """Segmentation without training, for ``predict --classical FILE``."""

    seed: int = 0
    """Seed of what is drawn."""
    modalities: tuple[str, ...] = ("t1ce", "flair")
    """Modalities: flair for WT, and t1ce if ET and TC are wanted, too."""
    preprocess: PreprocessConfig = field(default_factory=lambda: PreprocessConfig(denoise="gaussian"))
    """Preprocessing, as in training."""
    method: MethodConfig = field(default_factory=MethodConfig)
    """How bright tissue is found."""
    rule: RuleConfig = field(default_factory=RuleConfig)
    """What makes it a tumour."""
    postprocess: PostprocessConfig = field(default_factory=PostprocessConfig)
    """Postprocessing, as in training."""


def load_classical_config(path: str | os.PathLike[str]) -> ClassicalConfig:
    """Read a YAML file, or the shipped recipe of that name.

    Raises:
        ConfigError: The file is missing, has an unknown key, or a value of the wrong type.
    """
    return from_file(ClassicalConfig, path)
