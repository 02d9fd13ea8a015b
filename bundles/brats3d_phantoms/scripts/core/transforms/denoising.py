# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Edge-preserving denoising with ITK.

Sources: Sethian 1999, Level Set Methods (curvature flow); Perona and Malik 1990 (anisotropic
diffusion).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from monai.transforms import MapTransform
from numpy.typing import NDArray

from scripts.core.transforms.itk_access import import_itk, to_itk

_ITERATIONS = 5
# The largest stable step of an explicit scheme on a grid with unit spacing in three dimensions.
_TIME_STEP = 1.0 / 16.0


def curvature_flow(volume: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smooth ``(X, Y, Z)`` by moving level sets with their curvature: specks go, edges stay.

    Raises:
        MissingExtraError: ITK is not installed.
    """
    itk = import_itk("denoising")
    image = to_itk(itk, volume.astype(np.float32), (1.0, 1.0, 1.0))
    smooth = itk.curvature_flow_image_filter(image, number_of_iterations=_ITERATIONS, time_step=_TIME_STEP)
    return np.asarray(itk.array_from_image(smooth), dtype=np.float32)


def anisotropic_diffusion(volume: NDArray[np.float32]) -> NDArray[np.float32]:
    """Diffuse ``(X, Y, Z)`` along, but not across, gradients steeper than the volume's average.

    Raises:
        MissingExtraError: ITK is not installed.
    """
    itk = import_itk("denoising")
    image = to_itk(itk, volume.astype(np.float32), (1.0, 1.0, 1.0))
    smooth = itk.gradient_anisotropic_diffusion_image_filter(
        image, number_of_iterations=_ITERATIONS, time_step=_TIME_STEP, conductance_parameter=1.0
    )
    return np.asarray(itk.array_from_image(smooth), dtype=np.float32)


DENOISERS: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = MappingProxyType(
    {"curvature_flow": curvature_flow, "anisotropic_diffusion": anisotropic_diffusion}
)


class Denoised(MapTransform):
    """Denoise each channel of ``image``.

    Args:
        method: Name in :data:`DENOISERS`.
    """

    def __init__(self, method: str) -> None:
        super().__init__(keys="image")
        self.denoise = DENOISERS[method]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Denoise one sample of numpy arrays."""
        sample = dict(data)
        sample["image"] = np.stack([self.denoise(channel) for channel in sample["image"]])
        return sample
