"""Whatever is sent, the outcome is an image that can be shown or an error for the user."""

from __future__ import annotations

import asyncio
import gzip
import io
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brats3d.errors import Brats3dError
from brats3d.viewer.uploads import Limits, Upload, UploadStore

Edits = list[tuple[int, int]]
EDITS = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=6)
SETTINGS = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def edited(data: bytes, edits: Edits, first: int) -> bytes:
    """``data`` with bytes changed, most of them near its beginning."""
    raw = bytearray(data)
    for place, value in edits:
        raw[place % min(len(raw), first)] = value
    return bytes(raw)


def refusal(upload: Upload, data: bytes) -> Brats3dError | None:
    """Upload bytes and look at all that comes of them; return the error that the user gets, if any."""

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    try:
        asyncio.run(upload.receive("t1", chunks()))
        for file in upload.contents().files:
            upload.assign({"t1": {"file": file.name, "channel": 0 if file.channels > 1 else None}})
            upload.display_image("t1")
            upload.case(["t1"])
    except Brats3dError as error:
        return error
    return None


@pytest.fixture
def survives(tmp_path: Path, files: Any) -> Any:
    """Uploads bytes, looks at what came of them, and checks that nothing stays."""
    limits = Limits(size=4 << 20, files=20, voxels=1 << 16, pixels=1 << 16)
    store = UploadStore(tmp_path / "uploads", limits)

    def check(data: bytes) -> None:
        upload = store.new()
        told = str(refusal(upload, data))
        assert str(tmp_path) not in told
        assert files.secret not in told
        assert told != "None" or upload.contents().files
        store.remove(upload.id)
        assert [path for path in (tmp_path / "uploads").rglob("*") if path.is_file()] == []

    yield check
    store.close()


@SETTINGS
@given(edits=EDITS, packed=st.booleans())
def test_nifti(edits: Edits, packed: bool, survives: Callable[[bytes], None], files: Any) -> None:
    data = edited(files.nifti(packed=False), edits, 352)
    survives(gzip.compress(data, 1) if packed else data)


@SETTINGS
@given(edits=EDITS)
def test_gzip(edits: Edits, survives: Callable[[bytes], None], files: Any) -> None:
    survives(edited(files.nifti(), edits, 1 << 16))


@SETTINGS
@given(edits=EDITS, kind=st.sampled_from(["PNG", "TIFF", "JPEG", "BMP"]))
def test_pictures(edits: Edits, kind: str, survives: Callable[[bytes], None], files: Any) -> None:
    survives(edited(files.picture(np.arange(320, dtype=np.uint8).reshape(16, 20), kind), edits, 200))


@SETTINGS
@given(edits=EDITS)
def test_dicom(edits: Edits, survives: Callable[[bytes], None], files: Any) -> None:
    data = files.slice(0)
    survives(data[:128] + edited(data[128:], edits, len(data)))


@SETTINGS
@given(edits=EDITS, tail=st.booleans())
def test_zip(edits: Edits, tail: bool, survives: Callable[[bytes], None], files: Any) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/t1.nii", files.nifti(packed=False))
        archive.writestr("a/x.png", files.picture(np.eye(9, dtype=np.uint8)))
    data = file.getvalue()
    cut = data.index(b"PK\x01\x02") if tail else 0
    survives(data[:cut] + edited(data[cut:], edits, 1 << 16))


@SETTINGS
@given(data=st.binary(max_size=600), start=st.sampled_from([b"", b"PK\3\4", b"\x1f\x8b\x08", b"II*\0"]))
def test_anything(data: bytes, start: bytes, survives: Callable[[bytes], None]) -> None:
    survives(start + data or b"x")
