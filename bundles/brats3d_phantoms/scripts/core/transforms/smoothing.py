# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Smoothing inside the brain that does not let the background in: Gaussian, median, non-local means.

Source: Buades, Coll and Morel 2005, A non-local algorithm for image denoising.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from monai.transforms import MapTransform
from numpy.typing import NDArray
from scipy import ndimage

from scripts.core.extras import import_extra

Spacing3 = tuple[float, float, float]

# With the default sigma the kernel has five voxels along an axis of 1 mm.
_KERNEL_SIGMAS = 2 / 1.1
# Non-local means compares cubes of three voxels within three voxels around each.
_PATCH_VOXELS = 3
_SEARCH_VOXELS = 3
# Standard deviation of a normal distribution over the median of its absolute values.
_STD_PER_MEDIAN = 1.4826


def gaussian(
    volume: NDArray[np.float32], view: NDArray[np.bool_], spacing_mm: Spacing3, strength: float
) -> NDArray[np.float32]:
    """Smooth ``(X, Y, Z)`` with a Gaussian of ``strength`` mm: the weighted mean of voxels in view."""
    sigmas = [strength / size for size in spacing_mm]

    def spread(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return ndimage.gaussian_filter(values, sigmas, mode="constant", truncate=_KERNEL_SIGMAS)

    seen = spread(view.astype(np.float32))
    total = spread(np.where(view, volume, np.float32(0)))
    return np.asarray(total / np.maximum(seen, 1e-6), dtype=np.float32)


def median(
    volume: NDArray[np.float32], view: NDArray[np.bool_], spacing_mm: Spacing3, strength: float
) -> NDArray[np.float32]:
    """Median of ``(X, Y, Z)`` over cubes that reach ``strength`` voxels to either side."""
    return ndimage.median_filter(_continued(volume, view), size=2 * int(strength) + 1, mode="nearest")


def non_local_means(
    volume: NDArray[np.float32], view: NDArray[np.bool_], spacing_mm: Spacing3, strength: float
) -> NDArray[np.float32]:
    """Average voxels ``(X, Y, Z)`` whose surroundings look alike, within ``strength`` times the noise.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    restoration = import_extra(
        "skimage.restoration",
        "the filter non_local_means",
        "classical",
        package="scikit-image",
        instead="choose another preprocess.denoise",
    )
    noise = noise_std(volume, view)
    if noise == 0:
        return volume
    smooth = restoration.denoise_nl_means(
        _continued(volume, view).squeeze(),
        patch_size=_PATCH_VOXELS,
        patch_distance=_SEARCH_VOXELS,
        h=strength * noise,
        sigma=noise,
        fast_mode=True,
    )
    return np.asarray(smooth, dtype=np.float32).reshape(volume.shape)


def noise_std(volume: NDArray[np.float32], view: NDArray[np.bool_]) -> float:
    """Estimate the standard deviation of white noise from how voxels differ from those next to them.

    Edges hardly count, since the median is taken. Zero where no voxel has all its neighbours in view.
    A single slice has neighbours in its plane alone.
    """
    plane, seen = volume.squeeze(), view.squeeze()
    inner = ndimage.binary_erosion(seen)
    if not inner.any():
        return 0.0
    cross = ndimage.generate_binary_structure(plane.ndim, 1).astype(np.float32)
    neighbours = 2 * plane.ndim
    cross[(1,) * plane.ndim] = -neighbours
    differences = ndimage.convolve(plane, cross, mode="nearest")[inner]
    spread = float(np.sqrt(neighbours + neighbours**2))
    return float(np.median(np.abs(differences))) * _STD_PER_MEDIAN / spread


Smoother = Callable[[NDArray[np.float32], NDArray[np.bool_], Spacing3, float], NDArray[np.float32]]
SMOOTHERS: Mapping[str, tuple[Smoother, float]] = MappingProxyType(
    {"gaussian": (gaussian, 1.1), "median": (median, 1.0), "non_local_means": (non_local_means, 0.8)}
)
"""Method and its usual strength."""


class SmoothInBraind(MapTransform):
    """Smooth each channel of ``image`` inside its field of view; the outside stays as it is.

    Args:
        method: Name in :data:`SMOOTHERS`.
        strength: Sigma in mm, reach in voxels, or multiple of the noise; None: the usual one.
    """

    def __init__(self, method: str, strength: float | None = None) -> None:
        super().__init__(keys="image")
        self.smooth, usual = SMOOTHERS[method]
        self.strength = usual if strength is None else strength

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Smooth one sample of numpy arrays with ``fields_of_view`` and ``spacing_mm``."""
        sample = dict(data)
        image = np.array(sample["image"], dtype=np.float32)
        for channel, view in zip(image, sample["fields_of_view"], strict=True):
            smooth = self.smooth(channel, view, sample["spacing_mm"], self.strength)
            channel[view] = smooth[view]
        sample["image"] = image
        return sample


def _continued(volume: NDArray[np.float32], view: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give each voxel out of view the value of the nearest one in view."""
    if view.all() or not view.any():
        return volume
    nearest = ndimage.distance_transform_edt(~view, return_distances=False, return_indices=True)
    return volume[tuple(nearest)]
