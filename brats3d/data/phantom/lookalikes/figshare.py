"""Look-alike of the slices of figshare: MATLAB 7.3 files with a slice of a brain phantom each."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from brats3d.data.phantom.generation import make_phantom
from brats3d.data.phantom.lookalikes.lookalike import Files, Lookalike, Wanted, as_seen
from brats3d.extras import import_extra

SLICES_PER_PATIENT = 2
_KINDS = 3
_HEADER = b"MATLAB 7.3 MAT-file, made-up image, HDF5 schema 1.00 .".ljust(124) + b"\x00\x02IM"
_USER_BLOCK = 512


def _files(wanted: Wanted) -> Files:
    patient, which = divmod(wanted.number, SLICES_PER_PATIENT)
    phantom = make_phantom(wanted.seed_of(patient), wanted.size, parameters=wanted.parameters)
    mask = phantom.labels > 0
    largest = int(mask.sum(axis=(0, 1)).argmax())
    # The second slice is towards the middle of the volume, so that it exists.
    index = largest + (which if largest < wanted.size[2] // 2 else -which)
    image = as_seen(phantom.images["t1ce"][:, :, index]).astype(np.int16)
    seen = as_seen(mask[:, :, index]).astype(np.uint8)
    fields: dict[str, tuple[NDArray[np.generic], str]] = {
        "PID": (np.array([[ord(letter)] for letter in f"{patient + 100000}"], dtype=np.uint16), "char"),
        "image": (image, "int16"),
        "label": (np.array([[patient % _KINDS + 1]], dtype=np.float64), "double"),
    }
    if wanted.labelled:
        fields["tumorBorder"] = (_border(seen), "double")
        fields["tumorMask"] = (seen, "logical")
    return {_name(wanted.number): matlab_7_3("cjdata", fields)}


def _name(number: int) -> str:
    return f"{number + 1}.mat"


def _border(mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Points on the outline, counted from 1: x1, y1, x2, y2 ... around the centre of the mask."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return np.zeros((1, 0))
    angles = np.arctan2(rows - rows.mean(), columns - columns.mean())
    distances = np.hypot(rows - rows.mean(), columns - columns.mean())
    sectors = np.floor((angles + np.pi) / (2 * np.pi) * 24).astype(int)
    outermost = [
        int(np.flatnonzero(sectors == sector)[distances[sectors == sector].argmax()])
        for sector in np.unique(sectors)
    ]
    return np.stack([columns[outermost] + 1.0, rows[outermost] + 1.0], axis=-1).reshape(1, -1)


def matlab_7_3(structure: str, fields: dict[str, tuple[NDArray[np.generic], str]]) -> bytes:
    """Content of a MATLAB 7.3 file with one structure.

    Args:
        structure: Its name.
        fields: Field to its array in MATLAB's axes, and MATLAB's name of the type.
    """
    h5py = import_extra("h5py", "writing MATLAB files", "images")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=_USER_BLOCK) as file:
        group = file.create_group(structure)
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        for name, (array, kind) in fields.items():
            dataset = group.create_dataset(name, data=array.T, track_times=False)
            dataset.attrs["MATLAB_class"] = np.bytes_(kind)
    content = bytearray(buffer.getvalue())
    content[: len(_HEADER)] = _HEADER
    return bytes(content)


FIGSHARE = Lookalike(_name, _files)
