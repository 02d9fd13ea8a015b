"""Grey images with colour upon them, as RGB pictures; pure numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from brats3d.reporting.palette import FALSE_NEGATIVE, FALSE_POSITIVE, OTHER_TISSUE, rgb

_DARK_PERCENTILE, _BRIGHT_PERCENTILE = 1.0, 99.5
_TISSUE_OPACITY = 0.7
_DIMMED = np.float32(0.6)

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


def with_probabilities(
    picture: Picture, probabilities: Mapping[str, NDArray[np.float32]], sizes: Sequence[int]
) -> Picture:
    """Lay regions over a picture, each as opaque as it is probable.

    Args:
        picture: Is not changed.
        probabilities: ``#RRGGBB`` to ``(rows, columns)`` in [0, 1].
        sizes: Of each region how many tissues it has; that with most lies below the others.
    """
    result = picture
    layers = list(probabilities.items())
    for place in sorted(range(len(layers)), key=lambda place: -sizes[place]):
        colour, probability = layers[place]
        opacity = _TISSUE_OPACITY * np.asarray(probability, dtype=np.float32)[..., None]
        result = (1 - opacity) * result + opacity * np.array(rgb(colour), dtype=np.float32)
    return result


def with_disagreement(
    picture: Picture, reference: NDArray[np.generic], prediction: NDArray[np.generic]
) -> Picture:
    """Lay what is wrong over a picture: tumour invented, tumour missed, and tumour of another tissue.

    Args:
        picture: Is not changed; it is drawn darker, so that white can be told from it.
        reference: Class indices ``(rows, columns)``.
        prediction: Class indices ``(rows, columns)``.
    """
    found, wanted = prediction != 0, reference != 0
    wrong = {
        FALSE_POSITIVE: found & ~wanted,
        FALSE_NEGATIVE: wanted & ~found,
        OTHER_TISSUE: found & wanted & (prediction != reference),
    }
    return coloured(_DIMMED * picture, wrong, 1.0)
