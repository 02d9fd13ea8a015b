"""Damaged and malicious files: a clear error about the file as the page calls it, and nothing left behind."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from brats3d.errors import DataError
from brats3d.viewer.uploads import TooLarge

DIM, DATATYPE, PIXDIM, OFFSET, SLOPE, QFORM, SROW = 40, 70, 76, 108, 112, 252, 280


def patched(data: bytes, *changes: tuple[int, str, Any]) -> bytes:
    """A NIfTI-1 file with bytes of its header overwritten."""
    raw = bytearray(data)
    for place, form, value in changes:
        struct.pack_into(form, raw, place, *(value if isinstance(value, tuple) else (value,)))
    return bytes(raw)


HEADERS = {
    "axes": ([(DIM, "<h", 9)], "header cannot be right"),
    "no axes": ([(DIM, "<h", 0)], "header cannot be right"),
    "negative axes": ([(DIM, "<h", -3)], "header cannot be right"),
    "one axis": ([(DIM, "<h", 1)], "header cannot be right"),
    "empty axis": ([(DIM + 2, "<h", 0)], "header cannot be right"),
    "negative axis": ([(DIM + 4, "<h", -6)], "header cannot be right"),
    "huge axes": ([(DIM + 2, "<3h", (32767, 32767, 32767))], "volume is too large"),
    "huge product": ([(DIM, "<8h", (7, *[32767] * 7))], "volume is too large"),
    "channels": ([(DIM, "<5h", (4, 7, 6, 5, 30000))], "volume is too large"),
    "more than there is": ([(DIM + 2, "<h", 8)], "less than its header says"),
    "a wider type": ([(DATATYPE, "<h", 64)], "less than its header says"),
    "unknown type": ([(DATATYPE, "<h", 4711)], "header cannot be right"),
    "bits": ([(DATATYPE, "<h", 1)], "header cannot be right"),
    "complex numbers": ([(DATATYPE, "<h", 32)], "header cannot be right"),
    "colours": ([(DATATYPE, "<h", 128)], "header cannot be right"),
    "offset in the header": ([(OFFSET, "<f", 100)], "header cannot be right"),
    "negative offset": ([(OFFSET, "<f", -352)], "header cannot be right"),
    "offset beyond the end": ([(OFFSET, "<f", 1e6)], "less than its header says"),
    "huge offset": ([(OFFSET, "<f", 1e30)], "header cannot be right"),
    "offset nan": ([(OFFSET, "<f", np.nan)], "header cannot be right"),
    "offset infinite": ([(OFFSET, "<f", np.inf)], "header cannot be right"),
    "broken offset": ([(OFFSET, "<f", 352.5)], "header cannot be right"),
    "sizes nan": ([(PIXDIM + 4, "<f", np.nan)], "header cannot be right"),
    "sizes infinite": ([(PIXDIM + 8, "<f", np.inf)], "header cannot be right"),
    "no size": ([(PIXDIM + 4, "<f", 0), (QFORM, "<2h", (0, 0))], "header cannot be right"),
    "negative size": ([(PIXDIM + 4, "<f", -1), (QFORM, "<2h", (1, 0))], "header cannot be right"),
    "affine nan": ([(SROW, "<f", np.nan)], "header cannot be right"),
    "affine infinite": ([(SROW + 12, "<f", -np.inf)], "header cannot be right"),
    "affine singular": ([(SROW, "<12f", (1.0,) * 12)], "header cannot be right"),
    "affine of zeros": ([(SROW, "<12f", (0.0,) * 12)], "header cannot be right"),
    "affine of kilometres": ([(SROW, "<f", 1e6)], "header cannot be right"),
    "affine beyond numbers": ([(SROW, "<f", 3e38)], "header cannot be right"),
    "quaternion": ([(QFORM, "<2h", (1, 0)), (256, "<3f", (9.0, 9.0, 9.0))], "header cannot be right"),
    "intercept infinite": ([(SLOPE, "<2f", (1.0, np.inf))], "header cannot be right"),
    "intercept nan": ([(SLOPE, "<2f", (1.0, np.nan))], "header cannot be right"),
    "two files": ([(344, "<4s", b"ni1\0")], "not a NIfTI file in one piece"),
    "analyze": ([(344, "<4s", b"\0\0\0\0")], "not a NIfTI file in one piece"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", HEADERS)
def test_absurd_headers(name: str, packed: bool, upload: Any, put: Any, files: Any, kept: Any) -> None:
    changes, message = HEADERS[name]
    data = patched(files.nifti(packed=False), *changes)
    with pytest.raises(DataError, match=message) as caught:
        put(upload, "case/t1.nii", gzip.compress(data) if packed else data)
    assert caught.value.where == "case/t1.nii"
    assert caught.value.expected
    assert caught.value.remedy
    assert files.secret not in str(caught.value)
    assert kept() == []
    assert upload.contents().files == ()


def test_the_unchanged_header_is_fine(upload: Any, put: Any, files: Any) -> None:
    put(upload, "t1.nii", patched(files.nifti(packed=False)))


def bomb(data: bytes) -> bytes:
    """Gzip that goes on with 8 MiB of zeros after the voxels."""
    packer = zlib.compressobj(9, wbits=31)
    packed = [packer.compress(data)]
    packed += [packer.compress(bytes(1 << 20)) for _ in range(8)]
    return b"".join([*packed, packer.flush()])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda data: gzip.compress(data)[:-9], "torn"),
        (lambda data: gzip.compress(data)[:200], "torn"),
        (lambda data: gzip.compress(data)[:-8] + bytes(8), "torn"),
        (lambda data: gzip.compress(data) + b"garbage", "torn"),
        (lambda data: b"\x1f\x8b" + bytes(100), "torn"),
        (bomb, "more than its header says"),
        (lambda data: bomb(b""), "not a NIfTI file"),
        (lambda data: gzip.compress(b"not an image"), "not a NIfTI file"),
        (lambda data: gzip.compress(gzip.compress(data)), "not a NIfTI file"),
        (lambda data: data[:-1], "less than its header says"),
        (lambda data: data[:348], "less than its header says"),
        (lambda data: data[:200], "not a NIfTI file"),
        (lambda data: data + bytes(2 << 20), "more than its header says"),
        (lambda data: b"", "empty"),
        (lambda data: b"MZ" + bytes(500), "not an image"),
        (lambda data: b"%!PS-Adobe-3.0 EPSF-3.0\n", "not an image"),
        (lambda data: b"<html><script>alert(1)</script>", "not an image"),
        (lambda data: b"\x80\x04\x95" + b"cos\nsystem\n", "not an image"),
    ],
)
def test_torn_and_foreign_files(
    make: Any, message: str, upload: Any, put: Any, files: Any, kept: Any
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        put(upload, "t1.nii.gz", make(files.nifti(packed=False)))
    assert caught.value.where == "t1.nii.gz"
    assert kept() == []


def test_a_refused_file_leaves_the_others_alone(upload: Any, put: Any, files: Any) -> None:
    put(upload, "t1.nii.gz", files.nifti())
    with pytest.raises(DataError):
        put(upload, "t2.nii.gz", b"nothing")
    with pytest.raises(DataError):
        put(upload, "t1.nii.gz", b"nothing")
    assert [file.name for file in upload.contents().files] == ["t1.nii.gz"]
    assert nib.load(upload.display_image("t1")).shape == files.shape


def test_an_extension_of_absurd_length_is_not_read(upload: Any, put: Any, files: Any) -> None:
    data = patched(files.nifti(packed=False), (352, "<i", 2**31 - 1))
    assert put(upload, "t1.nii", data).files[0].shape == files.shape


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda png: png[:-40], DataError, "cannot read the PNG file"),
        (lambda png: png[:60] + bytes(4) + png[64:], DataError, "cannot read the PNG file"),
        (lambda png: b"II*\0" + bytes(200), DataError, "cannot read the TIFF file"),
        (lambda png: b"BM" + bytes(200), DataError, "cannot read the BMP file"),
        (lambda png: b"\xff\xd8\xff" + bytes(200), DataError, "cannot read the JPEG file"),
    ],
)
def test_torn_pictures(
    make: Any, error: Any, message: str, upload: Any, put: Any, files: Any, kept: Any
) -> None:
    png = files.picture(np.arange(600, dtype=np.uint8).reshape(20, 30))
    with pytest.raises(error, match=message):
        put(upload, "x.png", make(png))
    assert kept() == []


def giant_png(columns: int, rows: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(1000, 1000), (60000, 60000), (2**31 - 1, 2**31 - 1)])
def test_picture_bombs(size: tuple[int, int], upload: Any, put: Any, kept: Any) -> None:
    with pytest.raises(DataError, match=r"too large|cannot read"):
        put(upload, "x.png", giant_png(*size))
    assert kept() == []


def test_pictures_of_several_pages(upload: Any, put: Any, files: Any, kept: Any) -> None:
    from PIL import Image

    pages = [Image.fromarray(np.full((9, 9), value, dtype=np.uint8)) for value in (1, 2)]
    file = io.BytesIO()
    pages[0].save(file, format="TIFF", save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match="several pages"):
        put(upload, "x.tif", file.getvalue())
    assert kept() == []


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"Rows": 60000, "Columns": 60000}, TooLarge, "too large"),
        ({"Rows": 0}, DataError, "no Rows|too large"),
        ({"PixelData": b"\0\0"}, DataError, "cannot decode"),
        ({"NumberOfFrames": 3}, DataError, "not one slice"),
        ({"SamplesPerPixel": 3}, DataError, "not one slice"),
        ({"PixelSpacing": [0, 0]}, DataError, "not one slice"),
    ],
)
def test_absurd_dicom(
    changes: dict[str, Any], error: Any, message: str, upload: Any, put: Any, files: Any, kept: Any
) -> None:
    with pytest.raises(error, match=message) as caught:
        put(upload, "IM0001", files.slice(0, **changes))
    assert caught.value.where == "IM0001"
    assert "SECRET" not in str(caught.value)
    assert kept() == []


def test_torn_dicom(upload: Any, put: Any, files: Any, kept: Any) -> None:
    data = files.slice(0)
    for size in (140, 300, len(data) - 10):
        with pytest.raises(DataError):
            put(upload, "IM0001", data[:size])
    assert kept() == []


def test_deflated_dicom_is_not_unpacked(upload: Any, put: Any, files: Any, kept: Any) -> None:
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    with pytest.raises(DataError, match="deflated"):
        put(upload, "IM0001", files.slice(0, syntax=DeflatedExplicitVRLittleEndian))
    assert kept() == []
