"""Uploads as a browser sends them, and small files of all kinds."""

from __future__ import annotations

import asyncio
import gzip
import io
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from brats3d.viewer.uploads import Contents, Limits, Upload, UploadStore

SECRET = "SECRET^PATIENT"
SHAPE = (7, 6, 5)
AFFINE = np.array([[-2.0, 0.1, 0, 90], [0, 1.5, 0.2, -126], [0, -0.1, 3.0, -72], [0, 0, 0, 1]])

Put = Callable[..., Contents]


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def in_chunks(data: bytes, size: int = 1 << 12) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[UploadStore]:
    limits = Limits(size=4 << 20, files=40, uploads=5, keep_seconds=60, voxels=1 << 18, pixels=1 << 16)
    made = UploadStore(tmp_path / "uploads", limits, clock)
    yield made
    made.close()


@pytest.fixture
def upload(store: UploadStore) -> Upload:
    return store.new()


@pytest.fixture
def put() -> Put:
    """Sends a file as one request does, and returns what the upload holds then."""

    def send(upload: Upload, name: str, data: bytes, size: int = 1 << 12) -> Contents:
        asyncio.run(upload.receive(name, in_chunks(data, size)))
        return upload.contents()

    return send


@pytest.fixture
def kept(tmp_path: Path) -> Callable[[], list[Path]]:
    """Lists all files that the store has on the disk."""
    return lambda: sorted(path for path in (tmp_path / "uploads").rglob("*") if path.is_file())


def voxels_of(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.random.default_rng(seed).integers(-5, 900, shape, dtype=np.int16)


def nifti_bytes(
    voxels: np.ndarray[Any, Any] | None = None,
    *,
    affine: np.ndarray[Any, Any] = AFFINE,
    packed: bool = True,
    kind: type[nib.Nifti1Image] = nib.Nifti1Image,
    endianness: str = "<",
    **header: Any,
) -> bytes:
    """A NIfTI file with text in all places where there can be text."""
    image = kind(voxels_of() if voxels is None else voxels, affine, kind.header_class(endianness=endianness))
    image.header["descrip"] = SECRET
    image.header["aux_file"] = SECRET
    image.header["intent_name"] = SECRET
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", SECRET.encode()))
    image.header.set_data_dtype(image.dataobj.dtype.newbyteorder(endianness))
    for key, value in header.items():
        image.header[key] = value
    data = image.to_bytes()
    return gzip.compress(data, 1) if packed else data


def picture_bytes(pixels: np.ndarray[Any, Any], kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format=kind, **options)
    return file.getvalue()


def zip_bytes(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def slice_bytes(index: int, series: str = "1.2.3.4", **changes: Any) -> bytes:
    """Slice ``index`` of a series: its pixels are those of :func:`voxels_of`."""
    content = Dataset()
    content.file_meta = FileMetaDataset()
    content.file_meta.TransferSyntaxUID = changes.pop("syntax", ExplicitVRLittleEndian)
    content.file_meta.MediaStorageSOPClassUID = content.SOPClassUID = MRImageStorage
    content.file_meta.MediaStorageSOPInstanceUID = content.SOPInstanceUID = generate_uid()
    content.PatientName, content.PatientID = SECRET, "4711"
    content.SeriesInstanceUID, content.SeriesDescription = series, "t1_mprage_sag post gd SECRET"
    content.Columns, content.Rows = SHAPE[:2]
    content.PixelSpacing, content.SliceThickness = [0.5, 0.75], 2.5
    content.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    content.ImagePositionPatient = [-10, 20, 30 + 2.5 * index]
    content.SamplesPerPixel, content.PhotometricInterpretation = 1, "MONOCHROME2"
    content.BitsAllocated = content.BitsStored = 16
    content.HighBit, content.PixelRepresentation = 15, 1
    content.PixelData = np.ascontiguousarray(voxels_of()[..., index % SHAPE[2]].T).tobytes()
    for key, value in changes.items():
        setattr(content, key, value)
    file = io.BytesIO()
    content.save_as(file, enforce_file_format=True)
    return file.getvalue()


@pytest.fixture
def files() -> Any:
    """The makers of files, for test modules (which do not import each other)."""

    class Makers:
        nifti = staticmethod(nifti_bytes)
        picture = staticmethod(picture_bytes)
        zipped = staticmethod(zip_bytes)
        slice = staticmethod(slice_bytes)
        voxels = staticmethod(voxels_of)
        secret = SECRET
        affine = AFFINE
        shape = SHAPE

    return Makers
