"""Settings of what a training step sees: slices and patches, changed at random."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SliceConfig:
    """Slices for 2-D networks."""

    axis: str = "axial"
    """axial, coronal or sagittal."""
    first: int | None = None
    """First slice used in training, counted in the original volume."""
    last: int | None = None
    """Last slice used in training (inclusive)."""


@dataclass(frozen=True)
class PatchConfig:
    """What one training step sees."""

    size: tuple[int, ...] = (48, 48, 48)
    """Patch size in voxels; two numbers for 2-D networks (slices are resized to it)."""
    batch_size: int = 2
    """Patches per step and process."""
    per_epoch: int = 40
    """Patches per epoch over all processes."""
    foreground: float = 0.5
    """Share of patches centred on a tumour voxel (a class drawn evenly); of slices, that go through one."""
    empty: float = 1.0
    """Share of the other patches (slices) that is kept where they show no tumour; 0 leaves them out."""


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of training patches; a probability of 0 switches one off."""

    where: str = "sample"
    """sample: patch by patch, where they are read; batch: whole batches, on the device that trains."""
    flip_probability: float = 0.5
    """Mirroring, for each axis."""
    rotation_probability: float = 0.2
    """Rotation."""
    rotation_degrees: float = 30.0
    """Largest angle."""
    scaling_probability: float = 0.2
    """Zoom."""
    scaling_range: tuple[float, float] = (0.7, 1.4)
    """Smallest and largest zoom factor."""
    noise_probability: float = 0.15
    """Gaussian noise."""
    noise_std: float = 0.1
    """Largest standard deviation, in z-score units."""
    blur_probability: float = 0.1
    """Gaussian blur."""
    blur_sigma_range: tuple[float, float] = (0.5, 1.0)
    """Range of its sigma in voxels."""
    brightness_probability: float = 0.15
    """An offset, different for each modality."""
    brightness_offset: float = 0.2
    """Largest offset, in z-score units."""
    contrast_probability: float = 0.15
    """Contrast about the mean of the brain."""
    contrast_range: tuple[float, float] = (0.75, 1.25)
    """Range of its factor."""
    gamma_probability: float = 0.3
    """Gamma curve."""
    gamma_range: tuple[float, float] = (0.7, 1.5)
    """Range of its exponent."""
    low_resolution_probability: float = 0.15
    """Simulated low resolution."""
    low_resolution_range: tuple[float, float] = (0.5, 1.0)
    """Range of its zoom factor."""
    modality_dropout_probability: float = 0.0
    """Blanking of one or more modalities."""


@dataclass(frozen=True)
class TransplantConfig:
    """Tumours of training cases set into other training cases (3-D patches), for data sets of few cases."""

    heal_probability: float = 0.0
    """Replacing a case's own tumour by healthy tissue; only for patches of the whole brain."""
    transplant_probability: float = 0.0
    """Setting in another case's tumour."""
    scaling_range: tuple[float, float] = (0.4, 1.2)
    """Smallest and largest magnification of that tumour."""
    visibility_range: tuple[float, float] = (0.5, 1.0)
    """Smallest and largest share of its tissue in the blend; low values make faint tumours."""
