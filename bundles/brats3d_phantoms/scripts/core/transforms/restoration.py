# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""The way back: from the grid a network saw to the grid of the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from scripts.core.imaging import MILLIMETRE, Geometry
from scripts.core.transforms.resampling import Shape3, resample_classes, resample_linear


@dataclass(frozen=True)
class Restoration:
    """Record of what preprocessing did to the grid of a case; plain values, JSON-serialisable.

    Attributes:
        original_shape: Voxels per axis of the files.
        affine: Affine of the files, four rows of four.
        axes: Axis of the files that became each axis of the oriented volume.
        flipped: Whether that axis was reversed.
        box_start: First voxel of the crop on the oriented grid.
        box_stop: Voxel behind the last one of the crop on the oriented grid.
        prepared_shape: Voxels per axis after resampling the crop.
        unit: Unit of length of the files, see :class:`~brats3d.imaging.Geometry`.
    """

    original_shape: Shape3
    affine: tuple[tuple[float, ...], ...]
    axes: Shape3
    flipped: tuple[bool, bool, bool]
    box_start: Shape3
    box_stop: Shape3
    prepared_shape: Shape3
    unit: str = MILLIMETRE

    @property
    def geometry(self) -> Geometry:
        """Grid of the files."""
        return Geometry(self.original_shape, np.array(self.affine, dtype=np.float64), self.unit)

    @property
    def prepared_geometry(self) -> Geometry:
        """Grid the network sees, in the same millimetre space."""
        original = np.array(self.affine, dtype=np.float64)
        affine = np.eye(4)
        affine[:3, 3] = original[:3, 3]
        for axis, (source, reverse) in enumerate(zip(self.axes, self.flipped, strict=True)):
            step = original[:3, source]
            first = self.box_start[axis]
            if reverse:
                affine[:3, 3] += step * (self.original_shape[source] - 1)
                step = -step
            factor = (self.box_stop[axis] - first) / self.prepared_shape[axis]
            affine[:3, axis] = step * factor
            affine[:3, 3] += step * (first + factor / 2 - 0.5)
        return Geometry(self.prepared_shape, affine, self.unit)

    def restore(self, volume: NDArray[np.generic], order: int = 1) -> NDArray[np.generic]:
        """Bring a volume back to the grid of the files; zero outside the crop.

        Args:
            volume: ``(R, *S)`` or ``(*S)`` on the prepared grid, any dtype.
            order: 1 for images and probabilities (trilinear), 0 for classes and masks. Matters
                only if the case was resampled.

        Returns:
            ``(R, X, Y, Z)`` or ``(X, Y, Z)`` in the files' axes; same dtype, but float32 when
            interpolated.
        """
        assert order in (0, 1), order
        assert volume.shape[-3:] == self.prepared_shape, (volume.shape, self.prepared_shape)
        channels = volume.reshape(-1, *self.prepared_shape)
        x, y, z = (stop - start for start, stop in zip(self.box_start, self.box_stop, strict=True))
        resampled = (x, y, z) != self.prepared_shape
        dtype = np.dtype(np.float32) if resampled and order == 1 else volume.dtype
        result = np.zeros((len(channels), *self.original_shape), dtype=dtype)
        # Channel by channel, straight into the result: no second volume of full size in memory.
        for channel, target in zip(channels, result, strict=True):
            on_box = channel
            if resampled:
                resample = resample_linear if order == 1 else resample_classes
                on_box = resample(channel[None], (x, y, z))[0]
            self._box_of(target)[...] = on_box
        return result.reshape(*volume.shape[:-3], *self.original_shape)

    def _box_of(self, original: NDArray[np.generic]) -> NDArray[np.generic]:
        """View of the crop, in oriented axes, into a volume in the files' axes."""
        reverse = tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)
        box = tuple(slice(start, stop) for start, stop in zip(self.box_start, self.box_stop, strict=True))
        return original.transpose(self.axes)[reverse][box]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Restoration:
        """Rebuild from :meth:`to_dict`, also after a JSON round trip (lists for tuples)."""
        return cls(**{key: _tuples(value) for key, value in record.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value


def orientation_change(geometry: Geometry, orientation: str) -> tuple[Shape3, tuple[bool, bool, bool]]:
    """Say how a volume is turned: the source of each new axis, and whether it is reversed.

    Args:
        geometry: Grid of the files; an oblique one counts as the closest upright one.
        orientation: Wanted axis codes, such as ``RAS``.
    """
    present = nib.orientations.io_orientation(geometry.affine)
    wanted = nib.orientations.axcodes2ornt(tuple(orientation))
    axes = [0, 0, 0]
    flipped = [False, False, False]
    for source, (target, direction) in enumerate(nib.orientations.ornt_transform(present, wanted).tolist()):
        axes[int(target)] = source
        flipped[int(target)] = direction < 0
    return (axes[0], axes[1], axes[2]), (flipped[0], flipped[1], flipped[2])


def plan_restoration(
    geometry: Geometry, orientation: str, box_start: Shape3, box_stop: Shape3, prepared_shape: Shape3
) -> Restoration:
    """Record the way back.

    Args:
        geometry: Grid of the files.
        orientation: Axis codes of the oriented volume, such as ``RAS``.
        box_start: First voxel of the crop on the oriented grid.
        box_stop: Voxel behind the last one.
        prepared_shape: Voxels per axis after resampling.
    """
    axes, flipped = orientation_change(geometry, orientation)
    return Restoration(
        original_shape=geometry.shape,
        affine=_tuples(geometry.affine.tolist()),
        axes=axes,
        flipped=flipped,
        box_start=box_start,
        box_stop=box_stop,
        prepared_shape=prepared_shape,
        unit=geometry.unit,
    )
