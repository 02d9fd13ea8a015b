# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Header and pixels of one DICOM slice, read with pydicom."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.core.errors import DataError
from scripts.core.extras import import_extra

_TAGS = [
    "SeriesInstanceUID",
    "Rows",
    "Columns",
    "PixelSpacing",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "SpacingBetweenSlices",
    "SliceThickness",
    "NumberOfFrames",
    "SamplesPerPixel",
]
_DESCRIPTIONS = ["SeriesDescription", "ProtocolName"]
_READ_ERRORS = (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, MemoryError)


@dataclass(frozen=True, eq=False)
class SliceHeader:
    """Where a slice lies.

    Attributes:
        path: Its file.
        series: Identity of its series; only compared.
        size: Columns and rows.
        spacing_mm: Distance of rows, distance of columns, as ``PixelSpacing`` has them.
        directions: Where columns and where rows count to, float64 ``(2, 3)``, unit vectors in LPS.
        position_mm: Centre of the first pixel in LPS.
        thickness_mm: Distance to a next slice as the header has it, or None.
    """

    path: Path
    series: str
    size: tuple[int, int]
    spacing_mm: tuple[float, float]
    directions: NDArray[np.float64]
    position_mm: NDArray[np.float64]
    thickness_mm: float | None

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector across the slice."""
        return np.cross(self.directions[0], self.directions[1])


def read_header(path: Path) -> SliceHeader:
    """Read what says where a slice lies.

    Raises:
        DataError: No DICOM file, or not one slice of grey values with a place in the patient.
    """
    content = _read(path, specific_tags=_TAGS, stop_before_pixels=True)
    missing = [tag for tag in _TAGS[:6] if content.get(tag) in (None, "")]
    if missing:
        raise _no_slice(path, f"no {', '.join(missing)}")
    if int(content.get("NumberOfFrames") or 1) > 1:
        raise _no_slice(path, f"{int(content.NumberOfFrames)} frames")
    if int(content.get("SamplesPerPixel") or 1) != 1:
        raise _no_slice(path, "colours")
    try:
        thickness = content.get("SpacingBetweenSlices") or content.get("SliceThickness")
        header = SliceHeader(
            path=path,
            series=str(content.SeriesInstanceUID),
            size=(int(content.Columns), int(content.Rows)),
            spacing_mm=(float(content.PixelSpacing[0]), float(content.PixelSpacing[1])),
            directions=np.array(content.ImageOrientationPatient, dtype=np.float64).reshape(2, 3),
            position_mm=np.array(content.ImagePositionPatient, dtype=np.float64).reshape(3),
            thickness_mm=None if not thickness else abs(float(thickness)),
        )
    except (ValueError, TypeError, IndexError) as error:
        raise _no_slice(path, "numbers about its grid that are none") from error
    square = header.directions @ header.directions.T
    if not np.allclose(square, np.eye(2), atol=1e-2) or min(header.spacing_mm) <= 0:
        raise _no_slice(path, "axes that are not perpendicular, or pixels without size")
    return header


def read_descriptions(path: Path) -> tuple[str, ...]:
    """Read what the scanner calls the series, to guess its modality from; not to be shown, kept or logged.

    Raises:
        DataError: No DICOM file.
    """
    content = _read(path, specific_tags=_DESCRIPTIONS, stop_before_pixels=True)
    return tuple(str(text) for tag in _DESCRIPTIONS if (text := content.get(tag)))


def is_deflated(path: Path) -> bool:
    """Whether all that follows the first group is compressed as a whole, and is unpacked to be read.

    Raises:
        DataError: No DICOM file.
    """
    pydicom = _quiet_pydicom()
    try:
        syntax = pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID")
    except (pydicom.errors.InvalidDicomError, *_READ_ERRORS, NotImplementedError) as error:
        raise _unreadable(path, error) from None
    return bool(syntax == pydicom.uid.DeflatedExplicitVRLittleEndian)


def read_pixels(header: SliceHeader) -> NDArray[np.float32]:
    """Read one slice, float32 ``(rows, columns)``, with slope and intercept applied.

    Raises:
        DataError: The pixels cannot be decoded.
    """
    content = _read(header.path)
    try:
        pixels = np.asarray(content.pixel_array, dtype=np.float32)
        slope = float(content.get("RescaleSlope") or 1)
        return pixels * np.float32(slope) + np.float32(content.get("RescaleIntercept") or 0)
    except (*_READ_ERRORS, NotImplementedError) as error:
        syntax = content.file_meta.get("TransferSyntaxUID")
        raise DataError(
            "cannot decode the pixels of a DICOM file",
            where=header.path,
            got=f"{type(error).__name__}; stored as {syntax.name if syntax is not None else 'unknown'}",
            expected="a complete file, with pixels that are not compressed or that pydicom can decompress",
            remedy="export the series without compression, or pip install pylibjpeg and its plugins",
        ) from None


def _read(path: Path, **options: Any) -> Any:
    pydicom = _quiet_pydicom()
    try:
        return pydicom.dcmread(path, **options)
    except (pydicom.errors.InvalidDicomError, *_READ_ERRORS, NotImplementedError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: BaseException) -> DataError:
    return DataError(
        "not a readable DICOM file",
        where=path,
        got=type(error).__name__,
        expected="only DICOM files, complete ones, in the folder of a series",
        remedy="remove other files from the folder, or copy it again",
    )


def _quiet_pydicom() -> Any:
    """Import pydicom and keep it from telling header text in warnings."""
    pydicom = import_extra("pydicom", "reading DICOM", "dicom")
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="pydicom")
    return pydicom


def _no_slice(path: Path, got: str) -> DataError:
    return DataError(
        "not one slice of a volume",
        where=path,
        got=got,
        expected="one grey image per file, with position, orientation and pixel size",
        remedy="leave the file out, or export the series as classic (not enhanced) DICOM images",
    )
