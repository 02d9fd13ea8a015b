"""Volumes for a viewer: NIfTI files with a grid and voxels, and no text."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from brats3d.imaging import MILLIMETRE, Geometry, read_volume
from brats3d.labels import LabelConvention
from brats3d.viewer.uploads.parsers import strangers_file
from brats3d.viewer.uploads.volumes import NIFTI, Volume
from brats3d.viewer.uploads.workplace import Workplace

_GZIP_LEVEL = 1
_WHOLE = np.iinfo(np.int16)
_STEPS = 65534
_SHOWN_AS_STORED = (np.dtype(np.uint8), np.dtype(np.int16))


def write_display_image(volume: Volume, channel: int | None, place: Workplace) -> Path:
    """Write an image as whole numbers of 8 or 16 bits, ``.nii.gz``; voxels that are not finite become 0.

    Raises:
        DataError: The file cannot be read.
        TooLarge: The upload would hold more than it may.
    """
    whole = _stored_whole_numbers(volume, channel)
    if whole is not None:
        return _write(whole, volume.geometry, (1.0, 0.0), whole.dtype.newbyteorder("<"), volume.name, place)
    voxels, geometry = read_volume(volume.stored.path, channel=channel)
    low, high = float(voxels.min()), float(voxels.max())
    if not np.isfinite([low, high]).all():
        np.nan_to_num(voxels, copy=False, posinf=0.0, neginf=0.0)
        low, high = float(voxels.min()), float(voxels.max())
    slope, inter = 1.0, 0.0
    if low < _WHOLE.min or high > _WHOLE.max or not _all_whole(voxels):
        slope = max((high - low) / _STEPS, float(np.finfo(np.float32).tiny))
        inter = (low + high) / 2
    return _write(voxels, geometry, (slope, inter), np.dtype("<i2"), volume.name, place)


def _all_whole(voxels: NDArray[np.float32]) -> bool:
    """Whether there are whole numbers only; plane by plane, since volumes may be large."""
    return all(np.array_equal(plane, np.rint(plane)) for plane in np.moveaxis(voxels, -1, 0))


def _stored_whole_numbers(volume: Volume, channel: int | None) -> NDArray[np.generic] | None:
    """Voxels as they lie in the file, where a viewer can take them so; most MRI is stored like this."""
    if volume.kind != NIFTI:
        return None
    with strangers_file(volume.name, "NIfTI"):  # it may be removed at any moment
        stored = nib.load(volume.stored.path).dataobj
        scaled = (stored.slope, stored.inter) != (1.0, 0.0)
        if scaled or stored.dtype.newbyteorder("=") not in _SHOWN_AS_STORED:
            return None
        return np.asanyarray(stored if channel is None else stored[..., channel])


def write_display_labels(volume: Volume, convention: LabelConvention, place: Workplace) -> Path:
    """Write a label map as class indices, uint8 ``.nii.gz``.

    Raises:
        DataError: The file cannot be read.
        LabelError: A value outside the convention.
        TooLarge: The upload would hold more than it may.
    """
    voxels, geometry = read_volume(volume.stored.path)
    classes = convention.to_classes(convention.check(voxels, where=volume.name))
    return _write(classes, geometry, (1.0, 0.0), np.dtype("u1"), volume.name, place)


def _write(
    voxels: NDArray[np.generic],
    geometry: Geometry,
    scaling: tuple[float, float],
    dtype: np.dtype[np.generic],
    name: str,
    place: Workplace,
) -> Path:
    slope, inter = scaling
    with place.writing(name, ".nii.gz") as stored:
        with gzip.GzipFile(fileobj=stored, mode="wb", compresslevel=_GZIP_LEVEL, mtime=0) as packed:
            packed.write(header_of(geometry, dtype, scaling))
            for index in range(geometry.shape[2]):
                plane = voxels[..., index]
                if scaling != (1.0, 0.0):
                    plane = np.rint((plane.astype(np.float64) - inter) / slope)
                packed.write(plane.astype(dtype).tobytes(order="F"))
        return stored.stored().path


def header_of(
    geometry: Geometry, dtype: np.dtype[np.generic], scaling: tuple[float, float] = (1.0, 0.0)
) -> bytes:
    """Bytes of a NIfTI header that voxels follow: grid, type and scaling."""
    header = nib.Nifti1Header(endianness="<")
    header.set_data_shape(geometry.shape)
    header.set_data_dtype(dtype)
    header.set_sform(geometry.affine, code="scanner")
    header.set_qform(geometry.affine, code="scanner", strip_shears=True)
    header.set_xyzt_units("mm" if geometry.unit == MILLIMETRE else "unknown")
    header["scl_slope"], header["scl_inter"] = scaling
    header["vox_offset"] = header.single_vox_offset
    header["magic"] = header.single_magic
    return header.binaryblock + b"\0" * 4
