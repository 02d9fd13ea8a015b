# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""The optional ITK package: imported when a filter is first used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.core.extras import import_extra


def import_itk(purpose: str) -> Any:
    """Import ITK (its first filter takes seconds to load, hence not before it is needed).

    Args:
        purpose: What needs it, for the message.

    Raises:
        MissingExtraError: ITK is not installed.
    """
    return import_extra("itk", purpose, "itk", package="ITK", instead="switch this step off")


def to_itk(itk: Any, array: NDArray[np.generic], spacing_mm: tuple[float, float, float]) -> Any:
    """Wrap an array ``(X, Y, Z)`` as an ITK image; ITK counts the axes from the last."""
    image = itk.image_from_array(np.ascontiguousarray(array))
    image.SetSpacing([float(size) for size in reversed(spacing_mm)])
    return image
