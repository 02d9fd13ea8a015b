"""A zip that was received, unpacked safely: nothing in it decides where or how much is written."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from brats3d.errors import DataError
from brats3d.viewer.uploads.descriptions import is_description
from brats3d.viewer.uploads.limits import MIB
from brats3d.viewer.uploads.names import display_name, is_clutter
from brats3d.viewer.uploads.parsers import strangers_file
from brats3d.viewer.uploads.refusals import TooLarge, mebibytes
from brats3d.viewer.uploads.workplace import Stored, Workplace

ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_CHUNK = 1 << 18
# The list of members is read whole.
_LONGEST_LIST = 16 * MIB
# MRI shrinks to a half or a tenth, empty masks to a hundredth or less; a bomb is all emptiness.
_SUSPICIOUS_RATIO = 200
_SUSPICIOUS_SIZE = 256 * MIB
_ENCRYPTED = 0x1

Member = Callable[[str, Path], None]


def unpack(source: Path, name: str, place: Workplace, take: Member) -> None:
    """Unpack a zip, one member at a time, and give each to ``take`` with its name.

    Args:
        source: The zip.
        name: What messages call it.
        place: Where members are written to while they are looked at.
        take: Called with the name of a member and a file that lasts until it returns.

    Raises:
        DataError: No zip, torn, encrypted, with links, names that lead elsewhere or one name twice.
        TooLarge: More files or bytes than the upload may hold, or a suspicious ratio.
    """
    with _opened(source, name) as archive:
        with strangers_file(name, "zip"):
            members = _checked(archive, source, name, place)
        for member, shown in members:
            if is_clutter(shown) and not is_description(shown):
                continue
            with strangers_file(name, "zip"):
                stored = _extract(archive, member, shown, place)
            try:
                take(shown, stored.path)
            finally:
                place.delete(stored)


def _checked(
    archive: zipfile.ZipFile, source: Path, name: str, place: Workplace
) -> list[tuple[zipfile.ZipInfo, str]]:
    members = [member for member in archive.infolist() if not member.filename.endswith("/")]
    if len(members) > place.limits.files:
        raise TooLarge(
            "the zip has too many files",
            where=name,
            got=f"{len(members)} files",
            expected=f"at most {place.limits.files}",
            remedy="upload one case at a time",
        )
    for member in archive.infolist():
        _check_member(member, name)
    total = sum(member.file_size for member in members)
    if total > place.limits.size:
        raise TooLarge(
            "the zip is too large when it is unpacked",
            where=name,
            got=mebibytes(total),
            expected=f"at most {mebibytes(place.limits.size)}",
            remedy="upload one case at a time",
        )
    if total > _SUSPICIOUS_SIZE and total > _SUSPICIOUS_RATIO * source.stat().st_size:
        raise TooLarge(
            "the zip holds next to nothing, unpacked many times over",
            where=name,
            got=f"{mebibytes(total)} from {mebibytes(source.stat().st_size)}",
            expected=f"at most {_SUSPICIOUS_RATIO} times its size",
            remedy="upload the files by themselves",
        )
    shown = [(member, _shown(member, name)) for member in members]
    if len({text for _, text in shown}) < len(shown):
        raise _refused(name, "one name several times", "each name once")
    return shown


def _check_member(member: zipfile.ZipInfo, name: str) -> None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused(name, "links or devices", "files and folders only")
    if member.flag_bits & _ENCRYPTED:
        raise _refused(name, "encrypted files", "files without a password")
    if member.compress_type not in _METHODS:
        raise _refused(name, "a rare kind of compression", "files that are stored or deflated")
    if "\0" in member.orig_filename:
        raise _refused(name, "a name with a NUL character", "names of files")


def _shown(member: zipfile.ZipInfo, name: str) -> str:
    try:
        return display_name(member.filename)
    except DataError as error:
        raise _refused(name, error.what, "names of files below the folder that was zipped") from None


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, shown: str, place: Workplace) -> Stored:
    with archive.open(member) as packed, place.passing(shown) as file:
        while data := packed.read(_CHUNK):
            file.write(data)
            if file.size > member.file_size:
                raise _refused(shown, "more than it declares", "the size that it declares")
        if file.size != member.file_size:
            raise _refused(shown, "less than it declares", "the size that it declares")
    return file.stored()


@contextmanager
def _opened(source: Path, name: str) -> Iterator[zipfile.ZipFile]:
    with source.open("rb") as file:
        bounded = cast(BinaryIO, _BoundedReads(file, name))
        with strangers_file(name, "zip"):
            archive = zipfile.ZipFile(bounded)
        with archive:
            yield archive


class _BoundedReads:
    """A file of which no more is read at once than a list of members may be long."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """Read ``size`` bytes, or to the end.

        Raises:
            TooLarge: That many are not read at once.
        """
        data = self._file.read(size if 0 <= size <= _LONGEST_LIST else _LONGEST_LIST + 1)
        if len(data) > _LONGEST_LIST:
            raise TooLarge(
                "the zip has too long a list of files",
                where=self._name,
                expected=f"at most {mebibytes(_LONGEST_LIST)}",
                remedy="upload one case at a time",
            )
        return data


def _refused(name: str, got: str, expected: str) -> DataError:
    return DataError(
        "the zip is refused",
        where=name,
        got=got,
        expected=expected,
        remedy="zip the files again, or upload them by themselves",
    )
