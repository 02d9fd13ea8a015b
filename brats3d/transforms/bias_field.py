"""Correction of the bias field (slow variation of brightness by the receive coil) with N4.

Source: Tustison et al. 2010, N4ITK: improved N3 bias correction.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.transforms import MapTransform
from numpy.typing import NDArray

from brats3d.transforms.itk_access import import_itk, to_itk
from brats3d.transforms.resampling import resample_linear

FITTING_LEVELS = 2
"""Each level halves the distance of the spline's knots, which begins with the extent of the volume. With two
the field varies over half a head and leaves lesions alone; with four it follows oedema and takes its contrast
in FLAIR away.
"""

_ITERATIONS_PER_LEVEL = 50


def log_bias_field(
    volume: NDArray[np.floating],
    mask: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    *,
    shrink: int = 4,
) -> NDArray[np.float32]:
    """Estimate the natural logarithm of the bias field, float32 ``(X, Y, Z)``.

    Args:
        volume: Intensities ``(X, Y, Z)``; only positive ones count.
        mask: Voxels to estimate from, bool ``(X, Y, Z)``.
        spacing_mm: Voxel size per axis.
        shrink: Factor the volume is coarsened by first. The field is smooth: 4 at 1 mm loses
            nothing that matters and takes a sixtieth of the time.

    Raises:
        MissingExtraError: ITK is not installed.
    """
    itk = import_itk("bias-field correction")
    used = (mask & (volume > 0)).astype(np.float32)
    x, y, z = (max(1, -(-size // shrink)) for size in volume.shape)
    share = resample_linear(used[None], (x, y, z))[0]
    coarse = resample_linear((volume * used)[None], (x, y, z))[0] / np.maximum(share, 1e-3)
    coarse_mm = tuple(
        mm * size / small for mm, size, small in zip(spacing_mm, volume.shape, coarse.shape, strict=True)
    )
    inside = to_itk(itk, (share >= 0.5).astype(np.uint8), (coarse_mm[0], coarse_mm[1], coarse_mm[2]))
    image = to_itk(itk, coarse, (coarse_mm[0], coarse_mm[1], coarse_mm[2]))
    n4 = itk.N4BiasFieldCorrectionImageFilter.New(image, MaskImage=inside)
    n4.SetNumberOfFittingLevels([FITTING_LEVELS] * 3)
    n4.SetMaximumNumberOfIterations([_ITERATIONS_PER_LEVEL] * FITTING_LEVELS)
    n4.Update()
    field = itk.array_from_image(n4.ReconstructBiasField(n4.GetLogBiasFieldControlPointLattice()))
    full: tuple[int, int, int] = (volume.shape[0], volume.shape[1], volume.shape[2])
    return resample_linear(np.asarray(field, dtype=np.float32)[None], full)[0]


class CorrectBiasFieldd(MapTransform):
    """Divide each channel of ``image`` by its bias field.

    Intensities are first counted from the background constant, so that images normalised before
    (negative background) are treated like those that were not.

    Args:
        shrink: See :func:`log_bias_field`.
    """

    def __init__(self, shrink: int) -> None:
        super().__init__(keys="image")
        self.shrink = shrink

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Correct one sample of numpy arrays with ``fields_of_view`` and ``spacing_mm``."""
        sample = dict(data)
        image = np.array(sample["image"], dtype=np.float32)
        for channel, view, constant in zip(
            image, sample["fields_of_view"], sample["backgrounds"], strict=True
        ):
            channel -= channel[view].min() if constant is None else constant
            field = log_bias_field(channel, view, sample["spacing_mm"], shrink=self.shrink)
            channel *= np.exp(-field)
        sample["image"] = image
        sample["backgrounds"] = [0.0] * len(image)
        return sample
