"""Contrast-limited adaptive histogram equalisation (CLAHE), for many slices at once.

Sources: Pizer et al. 1987, Adaptive histogram equalization and its variations; Zuiderveld 1994,
Contrast limited adaptive histogram equalization. The limit is counted as OpenCV counts it: in
multiples of what a bin holds when all grey levels are equally frequent.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.transforms import MapTransform, Transform
from numpy.typing import NDArray

from brats3d.extras import import_extra

CLIP_LIMIT = 2.0
TILES = 8

_LEVELS = 256
# Slices equalised together: tables and indices of more would leave the caches of a processor.
_SLICES_AT_ONCE = 8


def equalise_adaptively(
    slices: NDArray[np.floating],
    inside: NDArray[np.bool_],
    *,
    clip_limit: float = CLIP_LIMIT,
    tiles: int = TILES,
) -> NDArray[np.float32]:
    """Equalise the contrast of each slice, tile by tile, with mappings interpolated between tiles.

    Only voxels inside count, each tile by the share of its own, so a dark background does not set
    the contrast at the border. A tile without any leaves grey levels as they are. What is
    cut off is shared out evenly, so no mapping is steeper than ``clip_limit`` and one.

    Args:
        slices: ``(N, H, W)`` in [0, 1].
        inside: Bool ``(N, H, W)``.
        clip_limit: Most voxels of one grey level, in multiples of the mean over all levels; from 1
            (little change) upwards.
        tiles: Tiles along each axis of a slice.

    Returns:
        Float32 ``(N, H, W)`` in [0, 1], zero outside.
    """
    result = np.empty(slices.shape, dtype=np.float32)
    for first in range(0, len(slices), _SLICES_AT_ONCE):
        part = slice(first, first + _SLICES_AT_ONCE)
        levels = np.minimum(slices[part] * _LEVELS, _LEVELS - 1).astype(np.intp)
        tables = _tables(levels, inside[part], clip_limit, tiles)
        result[part] = _interpolated(tables, levels)
    result[~inside] = 0.0
    return result


def _side(size: int, tiles: int) -> int:
    """Voxels of a tile along an axis; the last tile may have fewer."""
    return -(-size // tiles)


def _tables(
    levels: NDArray[np.intp], inside: NDArray[np.bool_], clip_limit: float, tiles: int
) -> NDArray[np.float32]:
    """Mapping of each tile, ``(N, rows, columns, levels)`` in [0, 1]."""
    count, height, width = levels.shape
    rows = np.arange(height) // _side(height, tiles)
    columns = np.arange(width) // _side(width, tiles)
    shape = (count, int(rows[-1]) + 1, int(columns[-1]) + 1)
    tile = np.ravel_multi_index(np.ix_(np.arange(count), rows, columns), shape)
    frequent = np.bincount((tile * _LEVELS + levels)[inside], minlength=int(np.prod(shape)) * _LEVELS)
    histogram = frequent.reshape(*shape, _LEVELS).astype(np.float64)
    total = histogram.sum(axis=-1, keepdims=True)
    share = np.where(total > 0, histogram / np.maximum(total, 1), 1 / _LEVELS)
    kept = np.minimum(share, clip_limit / _LEVELS)
    kept += (1 - kept.sum(axis=-1, keepdims=True)) / _LEVELS
    return np.cumsum(kept, axis=-1).astype(np.float32)


def _interpolated(tables: NDArray[np.float32], levels: NDArray[np.intp]) -> NDArray[np.float32]:
    """Grey levels through the mappings of the four nearest tiles, bilinearly weighted by distance."""
    count, height, width = levels.shape
    result = np.zeros(levels.shape, dtype=np.float32)
    for row, row_weight in _neighbours(height, tables.shape[1]):
        for column, column_weight in _neighbours(width, tables.shape[2]):
            tile = np.ravel_multi_index(np.ix_(np.arange(count), row, column), tables.shape[:3])
            weight = row_weight[:, None] * column_weight[None, :]
            result += tables.reshape(-1)[tile * _LEVELS + levels] * weight
    return result


def _neighbours(size: int, tiles: int) -> list[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """The tile before and the tile behind each voxel of an axis, with their weights."""
    place = (np.arange(size) + 0.5) / _side(size, tiles) - 0.5
    before = np.floor(place).astype(np.intp)
    behind_weight = (place - before).astype(np.float32)
    last = tiles - 1
    return [
        (np.clip(before, 0, last), 1 - behind_weight),
        (np.clip(before + 1, 0, last), behind_weight),
    ]


class EqualiseAdaptivelyd(MapTransform):
    """Equalise each channel of ``image`` slice by slice; it becomes [0, 1], with a background of zero.

    Grey levels are counted from the smallest to the largest value in the field of view of the whole
    volume, so that slices stay comparable.

    Args:
        axis: Axis of a volume ``(X, Y, Z)`` that slices are counted along.
        clip_limit: See :func:`equalise_adaptively`.
        tiles: See :func:`equalise_adaptively`.
    """

    def __init__(self, axis: int, clip_limit: float = CLIP_LIMIT, tiles: int = TILES) -> None:
        super().__init__(keys="image")
        self.axis = axis
        self.clip_limit = clip_limit
        self.tiles = tiles

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Equalise one sample of numpy arrays with ``fields_of_view``, both ``(C, X, Y, Z)``."""
        sample = dict(data)
        image = np.zeros(sample["image"].shape, dtype=np.float32)
        for channel, given, view in zip(image, sample["image"], sample["fields_of_view"], strict=True):
            low, high = float(given[view].min()), float(given[view].max())
            scaled = np.clip((given - low) / max(high - low, 1e-12), 0, 1)
            equalised = equalise_adaptively(
                np.moveaxis(scaled, self.axis, 0),
                np.moveaxis(view, self.axis, 0),
                clip_limit=self.clip_limit,
                tiles=self.tiles,
            )
            channel[...] = np.moveaxis(equalised, 0, self.axis)
        sample["image"] = image
        sample["backgrounds"] = [0.0] * len(image)
        return sample


class EqualiseLightness(Transform):
    """Equalise the lightness (L of CIELAB) of a colour picture; hue and chroma stay.

    Args:
        clip_limit: See :func:`equalise_adaptively`.
        tiles: See :func:`equalise_adaptively`.
    """

    def __init__(self, clip_limit: float = CLIP_LIMIT, tiles: int = TILES) -> None:
        self.clip_limit = clip_limit
        self.tiles = tiles

    def __call__(self, picture: NDArray[np.floating]) -> NDArray[np.float32]:
        """Equalise one picture, sRGB ``(3, H, W)`` in [0, 1]; the result is like it.

        Raises:
            MissingExtraError: scikit-image is not installed.
        """
        color = import_extra(
            "skimage.color", "equalising the lightness of colours", "classical", package="scikit-image"
        )
        lab = color.rgb2lab(np.asarray(picture, dtype=np.float32), channel_axis=0)
        lightness = np.clip(lab[:1] / 100.0, 0, 1)
        everywhere = np.ones(lightness.shape, dtype=bool)
        lab[:1] = 100.0 * equalise_adaptively(
            lightness, everywhere, clip_limit=self.clip_limit, tiles=self.tiles
        )
        return np.clip(color.lab2rgb(lab, channel_axis=0), 0, 1).astype(np.float32)
