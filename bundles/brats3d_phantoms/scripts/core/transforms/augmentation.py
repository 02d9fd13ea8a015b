# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Random changes to training patches that keep them plausible.

Milliseconds for a patch of 4x96x96x96 on one core of a (busy) 2-core AMD EPYC, each part at probability
1: three flips 26, rotation and scaling (together) 83, noise 109, blur 105, brightness 11, contrast
11, gamma 41, low resolution 24. With the default probabilities 62 on average. Measured by calling
the result of ``build_augmentation(3, ...)`` four times on ``torch.randn(4, 96, 96, 96)`` after
``torch.set_num_threads(1)``.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.transforms import (
    Compose,
    RandAdjustContrast,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmooth,
    RandomizableTransform,
    RandScaleIntensityd,
    RandShiftIntensityd,
    RandSimulateLowResolution,
)

from scripts.core.errors import ConfigError
from scripts.core.transforms.channelwise import RandDropChannelsd, RandPerChanneld
from scripts.core.transforms.rotation_scaling import PADDINGS, RandRotateScaled

Sample = dict[Hashable, Any]


class Augmentation:
    """Spatial, then intensity transforms; the same seed gives the same result.

    Voxels that are zero after the spatial part (outside the brain or a modality's field of view)
    stay zero: in prediction the outside is exactly zero too, so noise or a shifted level there
    would train for images that never come. The object can be pickled and holds no state that
    outlives a call.

    Args:
        spatial: Transforms of image and classes together.
        intensity: Transforms of the image alone.
    """

    def __init__(
        self, spatial: Sequence[RandomizableTransform], intensity: Sequence[RandomizableTransform]
    ) -> None:
        self.spatial = Compose(list(spatial))
        self.intensity = Compose(list(intensity))

    def __call__(self, sample: Mapping[Hashable, Any], seed: int) -> Sample:
        """Augment one patch.

        Args:
            sample: ``image`` float32 ``(C, *S)`` and ``classes`` uint8 ``(1, *S)``, plain tensors;
                they are not changed. Other entries are passed on.
            seed: Decides every draw.

        Returns:
            The same entries; plain contiguous tensors of the same dtypes.
        """
        self.spatial.set_random_state(seed)
        self.intensity.set_random_state(seed + 1)
        changed: Sample = self.spatial(dict(sample))
        if self.intensity.transforms:
            before = torch.as_tensor(changed["image"]).as_subclass(torch.Tensor)
            changed = self.intensity(changed)
            after = torch.as_tensor(changed["image"]).as_subclass(torch.Tensor)
            if after.data_ptr() != before.data_ptr():
                # As float32, several times faster than as bool on CPUs.
                changed["image"] = after.mul_(before.clone().ne_(0))
        for key, dtype in (("image", torch.float32), ("classes", torch.uint8)):
            changed[key] = torch.as_tensor(changed[key], dtype=dtype).as_subclass(torch.Tensor).contiguous()
        return changed


def build_augmentation(
    spatial_dims: int,
    *,
    flip_probability: float = 0.5,
    flip_axes: Sequence[int] | None = None,
    rotation_probability: float = 0.2,
    rotation_degrees: float = 30.0,
    scaling_probability: float = 0.2,
    scaling_range: tuple[float, float] = (0.7, 1.4),
    padding: str = "zeros",
    output_size: Sequence[int] | None = None,
    noise_probability: float = 0.15,
    noise_std: float = 0.1,
    blur_probability: float = 0.1,
    blur_sigma_range: tuple[float, float] = (0.5, 1.0),
    brightness_probability: float = 0.15,
    brightness_offset: float = 0.2,
    contrast_probability: float = 0.15,
    contrast_range: tuple[float, float] = (0.75, 1.25),
    gamma_probability: float = 0.3,
    gamma_range: tuple[float, float] = (0.7, 1.5),
    low_resolution_probability: float = 0.15,
    low_resolution_range: tuple[float, float] = (0.5, 1.0),
    modality_dropout_probability: float = 0.0,
) -> Augmentation:
    """Build the augmentation; probability 0 switches a part off.

    Intensities are z-scores: offsets and noise are in standard deviations of the brain, and
    contrast scales about its mean, zero. Brightness, contrast, gamma, blur and resolution differ
    between the modalities.

    Args:
        spatial_dims: 2 or 3.
        flip_probability: Chance of a flip along each of ``flip_axes``.
        flip_axes: Spatial axes, from 0; None means all.
        rotation_probability: Chance of a rotation.
        rotation_degrees: Largest angle.
        scaling_probability: Chance of a scaling (in one resampling step with the rotation).
        scaling_range: Smallest and largest magnification.
        padding: What turns in from outside the patch: ``zeros``, ``border`` or ``reflection``.
        output_size: Side lengths after rotation and scaling, cut from the centre of larger
            patches; None keeps the patch's.
        noise_probability: Chance of Gaussian noise.
        noise_std: Largest standard deviation of the noise.
        blur_probability: Chance of a blur; half of the channels take part.
        blur_sigma_range: Standard deviation of the blur in voxels.
        brightness_probability: Chance of an offset.
        brightness_offset: Largest absolute offset.
        contrast_probability: Chance of a scaling of intensities.
        contrast_range: Smallest and largest factor.
        gamma_probability: Chance of a power law; half the draws act on the inverted image.
        gamma_range: Smallest and largest exponent. Mean and deviation of a channel are kept.
        low_resolution_probability: Chance of a coarser resolution; half of the channels take part.
        low_resolution_range: Smallest and largest share of the voxels per axis that remain.
        modality_dropout_probability: Chance that modalities go missing, see
            :class:`~brats3d.transforms.channelwise.RandDropChannelsd`.

    Raises:
        ConfigError: A probability outside 0 to 1, or a range that is empty or not positive.

    Source: the choice and order of the parts follow Isensee et al. 2021 (nnU-Net).
    """
    settings = dict(locals())
    _check(settings)
    return Augmentation(_spatial_parts(settings), _intensity_parts(settings))


def _spatial_parts(settings: Mapping[str, Any]) -> list[RandomizableTransform]:
    dims, flip, size = settings["spatial_dims"], settings["flip_probability"], settings["output_size"]
    axes = range(dims) if settings["flip_axes"] is None else settings["flip_axes"]
    parts: list[RandomizableTransform] = [
        RandFlipd(("image", "classes"), prob=flip, spatial_axis=axis) for axis in axes if flip > 0
    ]
    if settings["rotation_probability"] > 0 or settings["scaling_probability"] > 0 or size is not None:
        parts.append(
            RandRotateScaled(
                dims,
                rotation_probability=settings["rotation_probability"],
                rotation_degrees=settings["rotation_degrees"],
                scaling_probability=settings["scaling_probability"],
                scaling_range=settings["scaling_range"],
                padding=settings["padding"],
                output_size=None if size is None else tuple(size),
            )
        )
    return parts


def _intensity_parts(settings: Mapping[str, Any]) -> list[RandomizableTransform]:
    def chance(part: str) -> float:
        return float(settings[f"{part}_probability"])

    sigmas = settings["blur_sigma_range"]
    blur = RandGaussianSmooth(sigmas, sigmas, sigmas, prob=1.0)
    smooth = "trilinear" if settings["spatial_dims"] == 3 else "bilinear"
    coarse = RandSimulateLowResolution(
        prob=1.0, upsample_mode=smooth, zoom_range=settings["low_resolution_range"]
    )
    power_laws = [
        RandAdjustContrast(prob=1.0, gamma=settings["gamma_range"], invert_image=inverted, retain_stats=True)
        for inverted in (False, True)
    ]
    offset = settings["brightness_offset"]
    factors = tuple(factor - 1 for factor in settings["contrast_range"])
    parts: dict[str, RandomizableTransform] = {
        "noise": RandGaussianNoised("image", prob=chance("noise"), std=settings["noise_std"]),
        "blur": RandPerChanneld([blur], probability=chance("blur"), channel_probability=0.5),
        "brightness": RandShiftIntensityd("image", offset, prob=chance("brightness"), channel_wise=True),
        "contrast": RandScaleIntensityd("image", factors, prob=chance("contrast"), channel_wise=True),
        "low_resolution": RandPerChanneld(
            [coarse], probability=chance("low_resolution"), channel_probability=0.5
        ),
        "gamma": RandPerChanneld(power_laws, probability=chance("gamma")),
        "modality_dropout": RandDropChannelsd(probability=chance("modality_dropout")),
    }
    return [part for name, part in parts.items() if chance(name) > 0]


def _check(settings: Mapping[str, Any]) -> None:
    wrong: dict[str, str] = {}
    for key, value in settings.items():
        if key.endswith("_probability") and not 0 <= value <= 1:
            wrong[key] = "a probability from 0 to 1"
        if key.endswith("_range") and not (len(value) == 2 and 0 < value[0] <= value[1]):
            wrong[key] = "two positive numbers, the smaller first"
    dims = settings["spatial_dims"]
    if dims not in (2, 3):
        wrong["spatial_dims"] = "2 or 3"
    if settings["padding"] not in PADDINGS:
        wrong["padding"] = "one of " + ", ".join(PADDINGS)
    if not set(settings["flip_axes"] or ()) <= set(range(dims)):
        wrong["flip_axes"] = f"axes from 0 to {dims - 1}"
    if settings["output_size"] is not None and len(settings["output_size"]) != dims:
        wrong["output_size"] = f"{dims} lengths"
    for key, expected in wrong.items():
        raise ConfigError(
            "an augmentation setting that cannot work",
            where=f"augment.{key}",
            got=settings[key],
            expected=expected,
        )
