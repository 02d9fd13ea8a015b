"""Settings from a trained network to a label map."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class InferenceConfig:
    """How whole volumes are predicted."""

    window: tuple[int, ...] | None = None
    """Window size in voxels; by default the training patch."""
    overlap: float = 0.5
    """Share of a window that overlaps the next one."""
    flips: bool = False
    """Average over all mirror images (test-time augmentation)."""
    window_batch: int | Literal["auto"] = "auto"
    """Images at once: windows, on GPUs with their mirror images; auto sizes it to the memory."""


@dataclass(frozen=True)
class CrfConfig:
    """Dense conditional random field over the probabilities of whole cases, in prediction and tests."""

    iterations: int = 0
    """Mean-field updates, such as 5; 0: off."""
    appearance_weight: float = 4.0
    """Most that neighbours of the same intensities add to the log-odds of a voxel."""
    appearance_sigma_mm: float = 2.0
    """Their reach in space (standard deviation of a Gaussian)."""
    appearance_sigma_intensity: float = 1.0
    """Their reach in intensity, over all modalities, in z-score units."""
    smoothness_weight: float = 0.5
    """Most that neighbours of any intensities add."""
    smoothness_sigma_mm: float = 1.0
    """Their reach in space."""
    radius_voxels: int = 3
    """Farthest neighbour; the time grows with its third power."""


@dataclass(frozen=True)
class PostprocessConfig:
    """From probabilities to regions."""

    thresholds: dict[str, float] = field(default_factory=dict)
    """Region to threshold; 0.5 where none is given."""
    min_component_ml: dict[str, float] = field(default_factory=dict)
    """Region to smallest volume of a connected component that is kept."""
    et_to_ncr_below_ml: float = 0.0
    """ET of less volume than this in a case becomes NCR; 0: off."""
    crf: CrfConfig = field(default_factory=CrfConfig)
    """Random field that draws neighbours of like intensities to one label, before all other rules."""
