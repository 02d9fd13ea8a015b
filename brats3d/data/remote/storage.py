"""Files at a URL, through fsspec and its drivers."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brats3d.data.remote.faults import check_address, explained, is_of_this_disk, missing_driver
from brats3d.errors import ConfigError, DataError

_ATTEMPTS = 3
_PAUSE_S = 1.0
# Drivers name these differently; of each row the first that is there counts.
_VERSIONS: Mapping[str, tuple[str, ...]] = {
    "etag": ("ETag", "etag", "md5Hash", "checksum", "Content-MD5"),
    "time": ("mtime", "LastModified", "last_modified", "updated", "modified", "Last-Modified", "created"),
}


@dataclass(frozen=True)
class RemoteFile:
    """A file as it was listed.

    Attributes:
        name: Its path, from the name of the data set's folder on, such as ``BraTS2021/A/A_t1.nii.gz``.
        size: Bytes.
        version: Tag of its content, else the time of its last change; empty where the storage has neither.
    """

    name: str
    size: int
    version: str

    def is_as(self, other: RemoteFile) -> bool:
        """Whether nothing tells that the file has changed."""
        kinds = [file.version.partition(" ")[0] for file in (self, other)]
        return self.size == other.size and (self.version == other.version or kinds[0] != kinds[1])


class Storage:
    """A folder elsewhere, and what lies beside it."""

    def __init__(self, url: str) -> None:
        """Remember the URL of a folder; nothing is read.

        Raises:
            ConfigError: It cannot be a folder with data.
            MissingExtraError: The driver for it is not installed.
        """
        check_address(url)
        self.url = url.rstrip("/")
        self.parent, _, self.name = self.url.rpartition("/")
        self._driver, path = _opened(self.url, os.getpid())
        self._base: str = path.removesuffix(self.name)

    def url_of(self, name: str) -> str:
        """Address of a file or folder, by its path from the name of this folder on."""
        return f"{self.parent}/{name}"

    def files(self, folder: str) -> list[RemoteFile]:
        """List all files below a folder, by its path from the name of this folder on.

        Raises:
            DataError: It is not there, may not be listed, or cannot be reached.
        """
        with explained(self.url_of(folder)):
            self._driver.invalidate_cache()
            found = self._driver.find(self._base + folder, detail=True)
            return [
                self._described(path, facts)
                for path, facts in found.items()
                if facts.get("type", "file") == "file" and _is_plain(path.removeprefix(self._base))
            ]

    def read(self, name: str) -> bytes | None:
        """Return the content of a small file, or None where there is none.

        Raises:
            DataError: It may not be read, or cannot be reached.
        """
        with explained(self.url_of(name)):
            try:
                content: bytes = self._driver.cat_file(self._base + name)
            except FileNotFoundError:
                return None
            return content

    def download(self, file: RemoteFile, target: Path) -> None:
        """Write a file to ``target``, and check that it is whole and as it was listed.

        Raises:
            DataError: It has changed or is gone, arrives incomplete, may not be read, or cannot be reached.
            OutputError: ``target`` cannot be written.
        """
        path, url = self._base + file.name, self.url_of(file.name)
        with explained(url, target.parent):
            arrived = self._transferred(path, target, file.size)
            self._driver.invalidate_cache(path)
            now = self._described(path, self._driver.info(path))
        if not file.is_as(now):
            raise DataError(
                "a file changed since the data set was listed",
                where=url,
                got=f"{now.size} bytes, {now.version}",
                expected=f"{file.size} bytes, {file.version}",
                remedy="start again when the data set is complete",
            )
        if arrived != file.size:
            raise DataError(
                "a file arrives incomplete",
                where=url,
                got=f"{arrived} bytes",
                expected=f"{file.size} bytes",
                remedy="check the network and start again: what has arrived whole is kept",
            )

    def _transferred(self, path: str, target: Path, size: int) -> int:
        """Bytes that have arrived after some attempts."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._driver.get_file(path, str(target))
                arrived = target.stat().st_size
                if arrived == size or attempt == _ATTEMPTS:
                    return arrived
            except (FileNotFoundError, PermissionError):
                raise
            except Exception as error:
                if attempt == _ATTEMPTS or is_of_this_disk(error):
                    raise
            time.sleep(_PAUSE_S * attempt)
        raise AssertionError("the last attempt returns or raises")

    def _described(self, path: str, facts: Mapping[str, Any]) -> RemoteFile:
        if facts.get("size") is None:
            facts = self._driver.info(path)
        if facts.get("size") is None:
            raise DataError("the storage does not tell how large a file is", where=path)
        return RemoteFile(path.removeprefix(self._base), int(facts["size"]), _version(facts))


@functools.lru_cache(maxsize=16)
def _opened(url: str, process: int) -> tuple[Any, str]:
    """Driver and path of a URL; a driver must not cross to another process."""
    try:
        import fsspec
    except ImportError as error:
        raise missing_driver(url, error) from error
    with explained(url):
        try:
            driver, path = fsspec.url_to_fs(url)
        except ValueError as error:
            raise ConfigError(
                "a kind of URL that is not known",
                where=url,
                got=str(error),
                expected="such as s3://bucket/folder or gs://bucket/folder",
            ) from error
    return driver, path


def _version(facts: Mapping[str, Any]) -> str:
    for kind, names in _VERSIONS.items():
        for value in (facts[name] for name in names if facts.get(name)):
            told = value.timestamp() if hasattr(value, "timestamp") else value
            return f"{kind} {str(told).strip(chr(34))}"
    return ""


def _is_plain(name: str) -> bool:
    """Whether a name, which may be anything in a bucket, is one of a file in a folder."""
    return not {"", ".", ".."} & set(name.split("/"))
