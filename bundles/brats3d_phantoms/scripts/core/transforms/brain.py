# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Where the brain is in a skull-stripped image, whatever constant its background has."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.transforms import MapTransform
from numpy.typing import NDArray
from scipy import ndimage

# Fewer border voxels of one value than this are no constant background but chance.
_LEAST_BACKGROUND_SHARE = 0.2
# Pieces smaller than this share of the largest are specks left over by skull-stripping.
_LEAST_PIECE_SHARE = 0.05


def background_constant(volume: NDArray[np.floating]) -> float | None:
    """Return the constant a volume ``(X, Y, Z)`` has outside the brain, or None if it has none.

    It is the most common value on the six faces of the volume, since heads are scanned with air
    around them. It need not be zero: images normalised as a whole have a negative one. A single slice
    has four edges instead.
    """
    faces = [np.take(volume, index, axis=axis).ravel() for axis in _axes(volume) for index in (0, -1)]
    border = np.concatenate(faces)
    values, counts = np.unique(border, return_counts=True)
    most_common = int(counts.argmax())
    if counts[most_common] < _LEAST_BACKGROUND_SHARE * border.size:
        return None
    return float(values[most_common])


def without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the largest component of ``(X, Y, Z)``, and others of at least a twentieth of its size."""
    # 26-connectivity: a brain thinned out by sampling stays in one piece.
    components, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    if count <= 1:
        return mask
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    return (sizes >= _LEAST_PIECE_SHARE * sizes.max())[components] & mask


def with_holes_filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill what ``(X, Y, Z)`` encloses: every piece of outside that touches no face of the volume.

    In a single slice: that touches no edge.
    """
    outside, count = ndimage.label(~mask)
    if count <= 1:
        return mask
    open_to_border = np.zeros(count + 1, dtype=bool)
    for axis in _axes(mask):
        for index in (0, -1):
            open_to_border[np.unique(np.take(outside, index, axis=axis))] = True
    open_to_border[0] = False
    return ~open_to_border[outside]


def find_brain(image: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Find the brain: where any channel differs from its own background constant.

    Args:
        image: ``(C, X, Y, Z)``.

    Returns:
        Bool ``(X, Y, Z)`` without specks and holes; all True if no channel has a background.
    """
    mask = np.zeros(image.shape[1:], dtype=bool)
    for channel in image:
        constant = background_constant(channel)
        if constant is None:
            return np.ones(image.shape[1:], dtype=bool)
        mask |= channel != constant
    # All voxels differ from the background on a few: work on their box alone, which is faster.
    box = ndimage.find_objects(mask.view(np.uint8))[0]
    padded = _padded(mask[box], mask.shape)
    mask[box] = _unpadded(with_holes_filled(without_specks(padded)), mask.shape)
    return mask


def _axes(volume: NDArray[np.generic]) -> list[int]:
    """Axes that a volume, or a single slice, extends along."""
    return [axis for axis, size in enumerate(volume.shape) if size > 1] or [0]


def _padded(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Add a voxel of background at each face, but not above and below a single slice."""
    return np.pad(mask, [(int(size > 1),) * 2 for size in shape])


def _unpadded(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return mask[tuple(slice(1, -1) if size > 1 else slice(None) for size in shape)]


class FindBraind(MapTransform):
    """Add ``brain`` (bool ``(1, X, Y, Z)``) and ``backgrounds`` (one constant or None per channel)."""

    def __init__(self) -> None:
        super().__init__(keys="image")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Take the given ``brain_mask`` if the sample has one, else find the brain in ``image``."""
        sample = dict(data)
        image = np.asarray(sample["image"])
        sample["backgrounds"] = [background_constant(channel) for channel in image]
        given = sample.pop("brain_mask", None)
        sample["brain"] = find_brain(image)[None] if given is None else np.asarray(given) > 0
        return sample


class FindFieldsOfViewd(MapTransform):
    """Add ``fields_of_view``, bool ``(C, X, Y, Z)``: the part of the brain each modality shows.

    A modality whose field of view is cut off has its background constant inside the brain. Such
    voxels carry no signal, so they stay out of its statistics and become zero. Single voxels that
    happen to have that value (suppressed fluid in FLAIR) are enclosed by others and stay in.
    """

    def __init__(self) -> None:
        super().__init__(keys="image")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Work on numpy arrays ``(C, X, Y, Z)``."""
        sample = dict(data)
        brain = sample["brain"][0]
        views = np.empty(sample["image"].shape, dtype=bool)
        for view, channel, constant in zip(views, sample["image"], sample["backgrounds"], strict=True):
            if constant is None:
                view[...] = brain
                continue
            padded = _padded((channel != constant) & brain, brain.shape)
            filled = _unpadded(with_holes_filled(padded), brain.shape) & brain
            # An image without any signal in a given mask is normalised over the mask.
            view[...] = filled if filled.any() else brain
        sample["fields_of_view"] = views
        return sample
