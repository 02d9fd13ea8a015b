# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""New tumours from few: heal a brain, and transplant the tumour of another case into it.

With a handful of cases a network learns their tumours by heart: how large they are and where. Healed
brains and tumours of any size at any place in any brain make it look at the tissue instead. After
CarveMix (Zhang et al. 2021, arXiv 2108.06883), which carves a lesion out of one brain into another;
healing, scaling and fading are additions.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from scripts.core.errors import ConfigError

Sample = dict[Hashable, Any]


class Transplantation:
    """Change a sample with the help of a donor; the same seed gives the same result.

    Args:
        heal_probability: Chance that the tumour is first replaced by healthy tissue, see :func:`heal`.
            Only for patches that hold the whole brain.
        transplant_probability: Chance that the donor's tumour is set in.
        scaling_range: Smallest and largest magnification of that tumour.
        visibility_range: Smallest and largest share of the donor's tissue in the blend; low values
            make faint tumours.
        mirror_axis: Spatial axis from left to right.

    Raises:
        ConfigError: A probability outside 0 to 1, or a range that is empty or not positive.
    """

    def __init__(
        self,
        *,
        heal_probability: float = 0.0,
        transplant_probability: float = 0.0,
        scaling_range: tuple[float, float] = (0.4, 1.2),
        visibility_range: tuple[float, float] = (0.5, 1.0),
        mirror_axis: int = 0,
    ) -> None:
        _check_probability("heal_probability", heal_probability)
        _check_probability("transplant_probability", transplant_probability)
        _check_range("scaling_range", scaling_range, math.inf)
        _check_range("visibility_range", visibility_range, 1.0)
        self.heal_probability = heal_probability
        self.transplant_probability = transplant_probability
        self.scaling_range = scaling_range
        self.visibility_range = visibility_range
        self.mirror_axis = mirror_axis

    def __call__(self, sample: Mapping[Hashable, Any], donor: Mapping[Hashable, Any], seed: int) -> Sample:
        """Change one patch.

        Args:
            sample: ``image`` float32 ``(C, *S)``, zero outside the brain, and ``classes`` uint8
                ``(1, *S)``; plain tensors, which are not changed.
            donor: The same of another case, of the same size.
            seed: Decides every draw.

        Returns:
            A sample like the first.
        """
        generator = np.random.default_rng(seed)
        image, classes = sample["image"], sample["classes"]
        if generator.random() < self.heal_probability:
            image, classes = heal((image, classes), (donor["image"], donor["classes"]), self.mirror_axis)
        if generator.random() < self.transplant_probability:
            smallest, largest = map(math.log, self.scaling_range)
            scale = math.exp(generator.uniform(smallest, largest))
            visibility = float(generator.uniform(*self.visibility_range))
            tumour = _cut_out(donor["image"], donor["classes"], scale, generator)
            if tumour is not None:
                image, classes = _set_in(image, classes, tumour, visibility, generator)
        return {**sample, "image": image, "classes": classes}


def heal(
    sample: tuple[Tensor, Tensor], donor: tuple[Tensor, Tensor], mirror_axis: int
) -> tuple[Tensor, Tensor]:
    """Replace a tumour by healthy tissue of the same place.

    Tissue comes from the mirrored other side of the brain, else from the donor, else from the donor's
    other side; tumour voxels for which none of these is healthy brain stay.

    Args:
        sample: Image, float32 ``(C, *S)``, zero outside the brain, which lies in the middle; classes,
            uint8 ``(1, *S)``.
        donor: The same of another case, in about the same place.
        mirror_axis: Spatial axis from left to right.

    Returns:
        Image and classes.
    """
    image, classes = sample
    left = _grown(classes > 0, 2) & _brain(image)
    filling, filled = image, torch.zeros_like(left)
    for source, labels, mirrored in ((*sample, True), (*donor, False), (*donor, True)):
        tissue, healthy = source, ~_grown(labels > 0, 2) & _brain(source)
        if mirrored:
            tissue, healthy = tissue.flip(mirror_axis + 1), healthy.flip(mirror_axis + 1)
        usable = left & healthy
        filling = torch.where(usable, tissue, filling)
        filled, left = filled | usable, left & ~usable
    share = _softened(filled)
    return image + share * (filling - image), torch.where(filled, 0, classes)


def _cut_out(
    image: Tensor, classes: Tensor, scale: float, generator: np.random.Generator
) -> tuple[Tensor, Tensor] | None:
    """Box around the tumour, magnified and perhaps mirrored, or None where there is no tumour."""
    places = classes[0].nonzero()
    if not len(places):
        return None
    low, high = places.amin(0) - 2, places.amax(0) + 3
    box = tuple(
        slice(max(0, int(a)), min(int(b), size))
        for a, b, size in zip(low, high, classes.shape[1:], strict=True)
    )
    part, labels = image[(slice(None), *box)], classes[(slice(None), *box)]
    size = [max(3, round(length * scale)) for length in labels.shape[1:]]
    mode = "trilinear" if len(size) == 3 else "bilinear"
    part = functional.interpolate(part[None], size, mode=mode, align_corners=False)[0]
    labels = functional.interpolate(labels[None], size, mode="nearest-exact")[0]
    axes = [axis + 1 for axis in range(len(size)) if generator.random() < 0.5]
    return (part.flip(axes), labels.flip(axes)) if axes else (part, labels)


def _set_in(
    image: Tensor,
    classes: Tensor,
    tumour: tuple[Tensor, Tensor],
    visibility: float,
    generator: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Blend the tumour in, its centre on a voxel of the brain drawn evenly."""
    inside = _brain(image)
    places = inside[0].nonzero()
    if not len(places):
        return image, classes
    centre = places[int(generator.integers(len(places)))]
    part, labels = tumour
    corner = [int(middle) - length // 2 for middle, length in zip(centre, labels.shape[1:], strict=True)]
    donor_image, donor_classes = torch.zeros_like(image), torch.zeros_like(classes)
    here, there = _overlap(corner, labels.shape[1:], classes.shape[1:])
    donor_image[(slice(None), *here)] = part[(slice(None), *there)]
    donor_classes[(slice(None), *here)] = labels[(slice(None), *there)]
    usable = inside & _brain(donor_image)
    changed = (donor_classes > 0) & usable
    share = _softened(_grown(changed, 1) & usable) * visibility * usable
    return image + share * (donor_image - image), torch.where(changed, donor_classes, classes)


def _overlap(
    corner: Sequence[int], size: Sequence[int], extent: Sequence[int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of a volume of ``extent`` and of a box at ``corner`` that cover the same voxels."""
    here, there = [], []
    for low, length, whole in zip(corner, size, extent, strict=True):
        start, stop = max(0, low), min(whole, low + length)
        here.append(slice(start, stop))
        there.append(slice(start - low, stop - low))
    return tuple(here), tuple(there)


def _brain(image: Tensor) -> Tensor:
    return (image != 0).any(0, keepdim=True)


def _grown(mask: Tensor, voxels: int) -> Tensor:
    pool = functional.max_pool3d if mask.ndim == 4 else functional.max_pool2d
    return pool(mask[None].float(), 2 * voxels + 1, stride=1, padding=voxels)[0] > 0


def _softened(mask: Tensor) -> Tensor:
    pool = functional.avg_pool3d if mask.ndim == 4 else functional.avg_pool2d
    return pool(mask[None].float(), 3, stride=1, padding=1)[0]


def _check_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigError(
            "a probability that cannot be", where=f"transplant.{name}", got=value, expected="0 to 1"
        )


def _check_range(name: str, value: tuple[float, float], most: float) -> None:
    if not (len(value) == 2 and 0 < value[0] <= value[1] <= most):
        raise ConfigError(
            "a range that cannot be",
            where=f"transplant.{name}",
            got=list(value),
            expected="two positive numbers, the smaller first"
            + (f", up to {most:g}" if most < math.inf else ""),
        )
