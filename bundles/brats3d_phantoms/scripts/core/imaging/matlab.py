# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Fields of MATLAB files: ``FILE.mat/cjdata/image`` names the field ``image`` of the structure ``cjdata``.

Files of MATLAB 7.3 are HDF5 and are read with h5py, older ones with scipy.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.core.errors import DataError
from scripts.core.extras import import_extra
from scripts.core.imaging.geometry import Geometry
from scripts.core.imaging.pictures import plane_geometry

SUFFIX = ".mat"
_HDF5_MARK = b"\x89HDF\r\n\x1a\n"
_HDF5_PLACES = (0, 512)  # MATLAB puts a block of text before it
_OLD_MARK = b"MATLAB 5.0 MAT-file"


def is_field(path: Path) -> bool:
    """Whether a path names a MATLAB file or a field of one."""
    return any(part.suffix.lower() == SUFFIX for part in (path, *path.parents))


def matlab_file(path: Path) -> Path:
    """File of a field."""
    return next(part for part in (path, *path.parents) if part.suffix.lower() == SUFFIX)


def read_field_geometry(path: Path) -> Geometry:
    """Grid of a field that is an image; see :func:`read_field_volume`."""
    columns, rows = _plane(path).shape
    return plane_geometry(columns, rows)


def read_field_volume(path: Path) -> tuple[NDArray[np.float32], Geometry]:
    """Read a field that is an image.

    Returns:
        Float32 ``(columns, rows, 1)``, and its grid, whose pixel size is not known.

    Raises:
        DataError: The file is missing, torn or no MATLAB file, has no such field, or it is no image.
    """
    plane = _plane(path)
    columns, rows = plane.shape
    return plane.astype(np.float32)[..., None], plane_geometry(columns, rows)


def read_text(path: Path) -> str:
    """Read a field that is text.

    Raises:
        DataError: See :func:`read_field`, or it is no text.
    """
    content = read_field(path)
    if content.dtype.kind == "U":
        return "".join(content.ravel().tolist()).strip()
    if (
        content.dtype.kind in "ui"
        and content.size
        and content.size == max(content.shape)
        and content.min() > 0
    ):
        return "".join(map(chr, content.ravel().tolist())).strip()
    raise _unexpected(path, content, "text")


def read_field(path: Path) -> NDArray[Any]:
    """Read a field.

    Returns:
        Its content with the axes of MATLAB reversed: ``(columns, rows)``.

    Raises:
        DataError: The file is missing, torn or no MATLAB file, or has no such field.
        MissingExtraError: h5py is not installed.
    """
    file = matlab_file(path)
    names = path.relative_to(file).parts
    try:
        with file.open("rb") as stream:
            start = stream.read(max(_HDF5_PLACES) + len(_HDF5_MARK))
    except OSError as error:
        raise DataError(
            "file not found" if isinstance(error, FileNotFoundError) else "cannot read the file",
            where=file,
            got=error.strerror,
            remedy="check the path and its permissions, or whether a link points to nothing",
        ) from error
    if not names:
        raise DataError(
            "a MATLAB file without the name of a field",
            where=file,
            expected=f"the field behind the file, such as {file.name}/cjdata/image",
        )
    if any(start[place:].startswith(_HDF5_MARK) for place in _HDF5_PLACES):
        return _read_hdf5(file, names)
    if start.startswith(_OLD_MARK):
        return _read_old(file, names)
    raise DataError(
        "not a MATLAB file",
        where=file,
        got=f"{file.stat().st_size} bytes of something else",
        expected="a file that MATLAB saved, version 5 to 7.3",
        remedy="download or unpack the file again",
    )


def _read_hdf5(file: Path, names: tuple[str, ...]) -> NDArray[Any]:
    h5py = import_extra("h5py", "reading MATLAB files", "images")
    try:
        with h5py.File(file, "r") as content:
            node: Any = content
            for name in names:
                node = node.get(name) if isinstance(node, h5py.Group) else None
                if node is None:
                    raise _missing(file, names, _hdf5_fields(content))
            if not isinstance(node, h5py.Dataset):
                raise _missing(file, names, _hdf5_fields(content))
            # MATLAB stores column by column, HDF5 row by row: the axes come reversed.
            empty = bool(node.attrs.get("MATLAB_empty", 0))
            return np.zeros(0, node.dtype) if empty else np.asarray(node[()])
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise _torn(file, error) from error


def _hdf5_fields(content: Any) -> list[str]:
    found: list[str] = []
    content.visit(lambda name: None if name.startswith("#") else found.append(name))
    return found


def _read_old(file: Path, names: tuple[str, ...]) -> NDArray[Any]:
    from scipy.io import loadmat

    try:
        content = loadmat(file, simplify_cells=True)
    except (OSError, ValueError, TypeError, KeyError, IndexError, zlib.error, NotImplementedError) as error:
        raise _torn(file, error) from error
    node: Any = content
    for name in names:
        node = node.get(name) if isinstance(node, dict) else None
        if node is None:
            raise _missing(file, names, [key for key in content if not key.startswith("__")])
    return np.asarray(node).T


def _plane(path: Path) -> NDArray[Any]:
    content = read_field(path)
    if content.ndim != 2 or content.dtype.kind not in "biuf" or min(content.shape) < 2:
        raise _unexpected(path, content, "a grey image of two axes")
    return content


def _unexpected(path: Path, content: NDArray[Any], expected: str) -> DataError:
    return DataError(
        "unexpected content of a MATLAB field",
        where=path,
        got=f"shape {content.shape[::-1]}, type {content.dtype}",
        expected=expected,
        remedy="check that the data set has the layout it was read with (data.layout)",
    )


def _missing(file: Path, names: tuple[str, ...], present: list[str]) -> DataError:
    return DataError(
        f"the MATLAB file has no field {'/'.join(names)}",
        where=file,
        got=", ".join(present[:12]) or "nothing",
        expected="/".join(names),
        remedy="check that the data set has the layout it was read with (data.layout), or leave the file out",
    )


def _torn(file: Path, error: BaseException) -> DataError:
    return DataError(
        "cannot read the MATLAB file",
        where=file,
        got=f"{type(error).__name__} (torn, or of an unknown kind)",
        expected="a complete file",
        remedy="download or unpack the file again",
    )
