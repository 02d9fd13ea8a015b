"""Storing a NIfTI file that was received, unpacked and under a header of our own; a stream all the way."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from brats3d.errors import DataError
from brats3d.viewer.uploads.guesses import role_of_name
from brats3d.viewer.uploads.nifti_headers import LONGEST, CheckedHeader, check_header
from brats3d.viewer.uploads.parsers import strangers_file
from brats3d.viewer.uploads.refusals import mebibytes
from brats3d.viewer.uploads.tally import ValueTally
from brats3d.viewer.uploads.volumes import NIFTI, Volume
from brats3d.viewer.uploads.workplace import Workplace

GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20
# Some writers pad the end of a file.
_MOST_AFTER_VOXELS = 1 << 20


def store_nifti(source: Path, name: str, place: Workplace) -> Volume:
    """Check a file and store its grid and voxels; ``source`` is left as it is.

    Never more than a chunk is in memory, and no more is unpacked than the header says there is.

    Raises:
        DataError: No NIfTI, torn, or a header that cannot be or says other than the file holds.
        TooLarge: More than the upload may hold.
    """
    with _opened(source, name) as file, place.writing(name, ".nii") as stored:
        block = _read(file, LONGEST)
        with strangers_file(name, "NIfTI"):
            header = check_header(block, name, place.limits)
        stored.write(header.clean)
        tally = ValueTally(header.dtype, *header.scaling)
        for data in _voxels(file, block, header, name):
            stored.write(data)
            tally.add(data)
    values = tally.values if header.channels == 1 else None
    return Volume(name, NIFTI, stored.stored(), header.geometry, header.channels, values, role_of_name(name))


def _voxels(file: BinaryIO, block: bytes, header: CheckedHeader, name: str) -> Iterator[bytes]:
    """The bytes of the voxels, checked to be as many as the header says."""
    before = header.voxels_at - len(block)
    head = block[header.voxels_at :] if before <= 0 else b""
    if before > 0 and len(_read(file, before)) < before:
        raise _too_short(name, 0, header.data_size)
    passed = 0
    for data in _chunks(file, head):
        wanted = data[: max(0, header.data_size - passed)]
        passed += len(data)
        if wanted:
            yield wanted
        if passed > header.data_size + _MOST_AFTER_VOXELS:
            raise DataError(
                "the file holds more than its header says",
                where=name,
                got=f"more than {mebibytes(header.data_size)} of voxels",
                expected=f"{' x '.join(map(str, (*header.geometry.shape, header.channels)))} voxels",
                remedy="convert the file again from its source",
            )
    if passed < header.data_size:
        raise _too_short(name, passed, header.data_size)


def _chunks(file: BinaryIO, head: bytes) -> Iterator[bytes]:
    if head:
        yield head
    while data := file.read(_CHUNK):
        yield data


@contextmanager
def _opened(source: Path, name: str) -> Iterator[BinaryIO]:
    """Open a file, gzipped or not, whatever it is called."""
    with source.open("rb") as file:
        packed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        if not packed:
            yield file
            return
        try:
            with gzip.open(file) as unpacked:
                yield cast(BinaryIO, unpacked)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(
                "the gzip file is torn",
                where=name,
                got="an end before the end" if isinstance(error, EOFError) else "contents that do not fit",
                expected="a complete .nii.gz file",
                remedy="copy or download the file again; `gzip -t FILE` tests it",
            ) from None


def _read(file: BinaryIO, size: int) -> bytes:
    """Read ``size`` bytes, or as many as there are."""
    data = b""
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data


def _too_short(name: str, got: int, expected: int) -> DataError:
    return DataError(
        "the file holds less than its header says",
        where=name,
        got=f"{mebibytes(got)} of voxels",
        expected=mebibytes(expected),
        remedy="copy or download the file again, or convert it again from its source",
    )
