"""The folder in which uploads and results lie while the server runs, and no longer."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from brats3d.errors import output_error
from brats3d.files import make_folder

if sys.platform != "win32":  # where what a killed server leaves stays
    import fcntl

_LOG = logging.getLogger(__name__)
_PREFIX = "brats3d-app-"
_LOCK = "in-use"


@contextlib.contextmanager
def workplace(parent: str | None) -> Iterator[Path]:
    """Have a folder that nobody else on this machine may read; it is removed at the end.

    What servers left that were killed is removed before: images of patients do not stay behind.

    Args:
        parent: Folder to make it in; by default that of temporary files.

    Raises:
        OutputError: No folder can be made there.
    """
    place = make_folder(parent) if parent else Path(tempfile.gettempdir())
    _remove_abandoned(place)
    folder, lock = _locked_folder(place)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()
        if folder.exists():
            _LOG.error("could not remove everything in %s: remove it by hand", folder)


def _locked_folder(place: Path) -> tuple[Path, BinaryIO]:
    """Make a folder that has the name by which it is found only when it is locked."""
    try:
        unnamed = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=place))  # mode 0700
        lock = (unnamed / _LOCK).open("wb")
        with contextlib.suppress(OSError):  # file systems without locks
            _lock(lock)
        return unnamed.rename(place / unnamed.name[1:]), lock
    except OSError as error:
        raise output_error(place, error) from error


def _remove_abandoned(place: Path) -> None:
    if sys.platform == "win32":
        return
    for folder in place.glob(f"{_PREFIX}*"):
        # Of another user's folder the lock cannot be opened, of a running server's it cannot be had.
        with contextlib.suppress(OSError), (folder / _LOCK).open("rb+") as lock:
            _lock(lock)
            shutil.rmtree(folder, ignore_errors=True)
            _LOG.info("removed what an app left that was killed: %s", folder)


def _lock(file: BinaryIO) -> None:
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
