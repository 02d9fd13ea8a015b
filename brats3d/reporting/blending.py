"""Grey images with colour upon them, as RGB pictures; pure numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from brats3d.reporting.palette import FALSE_NEGATIVE, FALSE_POSITIVE, rgb

_DARK_PERCENTILE, _BRIGHT_PERCENTILE = 1.0, 99.5
_TISSUE_OPACITY = 0.8

Picture = NDArray[np.float32]
"""``(rows, columns, 3)`` in [0, 1]."""


def window(image: NDArray[np.float32], brain: NDArray[np.bool_]) -> tuple[float, float]:
    """Intensities that are drawn black and white: nearly the whole range within the brain."""
    inside = image[brain] if brain.any() else image
    dark, bright = np.percentile(inside, (_DARK_PERCENTILE, _BRIGHT_PERCENTILE)).tolist()
    return dark, bright if bright > dark else dark + 1.0


def grey(image: NDArray[np.generic], limits: tuple[float, float]) -> Picture:
    """Draw intensities ``(rows, columns)`` from black to white."""
    dark, bright = limits
    level = np.clip((image.astype(np.float32) - dark) / (bright - dark), 0, 1)
    return np.repeat(level[..., None], 3, axis=-1).astype(np.float32)


def coloured(picture: Picture, masks: Mapping[str, NDArray[np.generic]], opacity: float) -> Picture:
    """Lay colours over a picture.

    Args:
        picture: Is not changed.
        masks: ``#RRGGBB`` to bool ``(rows, columns)``.
        opacity: 1 hides what is below, 0 shows it alone.
    """
    result = picture.copy()
    for colour, mask in masks.items():
        inside = mask.astype(bool)
        result[inside] = (1 - opacity) * result[inside] + opacity * np.array(rgb(colour), dtype=np.float32)
    return result


def with_classes(picture: Picture, classes: NDArray[np.generic], colours: Sequence[str]) -> Picture:
    """Lay the classes ``(rows, columns)`` from 1 on over a picture, each in its colour."""
    result = picture
    for number, colour in enumerate(colours, start=1):
        result = coloured(result, {colour: classes == number}, _TISSUE_OPACITY)
    return result


def with_errors(picture: Picture, reference: NDArray[np.generic], prediction: NDArray[np.generic]) -> Picture:
    """Lay false positives and false negatives of bool ``(rows, columns)`` over a picture."""
    found, wanted = prediction.astype(bool), reference.astype(bool)
    return coloured(picture, {FALSE_POSITIVE: found & ~wanted, FALSE_NEGATIVE: wanted & ~found}, 1.0)
