# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Turns of processes at an entry: who prepares it, and whose leftovers nobody will finish.

The lock is the operating system's, so it ends with its process, however that ends. On Windows, and on
file systems without locks, everybody has a turn at once: work may then be done twice, and what looks like
the leftovers of a killed process stays for an hour, since its owner may be at work.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_LOCK = ".lock"
_UNFINISHED = ".tmp"
_UNLOCKED = -1
_PAUSE_S = 0.1
_STALE_S = 3600.0
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def unfinished_path(entry: Path, token: str) -> Path:
    """Folder in which an entry is written before it is renamed."""
    return entry.with_name(f".{entry.name}.{token}{_UNFINISHED}")


@contextlib.contextmanager
def turn(entry: Path, *, wait: bool) -> Iterator[bool]:
    """Be the only one, of all processes and threads, who prepares an entry.

    Args:
        entry: Folder of the entry.
        wait: Whether to wait for who prepares it now.

    Yields:
        Whether it is one's turn; always, where ``wait`` is true.

    Raises:
        OSError: The store cannot be written to.
    """
    path = entry.with_name(f".{entry.name}{_LOCK}")
    descriptor = _locked(path)
    while descriptor is None and wait:
        time.sleep(_PAUSE_S)
        descriptor = _locked(path)
    if descriptor is None:
        yield False
        return
    try:
        for left in entry.parent.glob(f".{glob.escape(entry.name)}.*{_UNFINISHED}"):
            if descriptor != _UNLOCKED or _is_stale(left):
                shutil.rmtree(left, ignore_errors=True)
        yield True
    finally:
        if descriptor != _UNLOCKED:
            path.unlink(missing_ok=True)
            _unlock(descriptor)


def sweep(store: Path) -> None:
    """Remove what killed processes have left in the folder of a store."""
    if not store.is_dir() or not os.access(store, os.W_OK):
        return
    names = {_entry_name(path) for path in store.glob(".*") if path.suffix in (_LOCK, _UNFINISHED)}
    for name in sorted(names - {""}):
        with turn(store / name, wait=False):
            pass


def _is_stale(left: Path) -> bool:
    """Whether nobody has written to an unfinished entry, which takes seconds, for long."""
    try:
        return time.time() - left.stat().st_mtime > _STALE_S
    except OSError:  # its owner has just finished it
        return False


def _entry_name(path: Path) -> str:
    name = path.name.removeprefix(".")
    if path.suffix == _LOCK:
        return name.removesuffix(_LOCK)
    return name.removesuffix(_UNFINISHED).rpartition(".")[0]


def _locked(path: Path) -> int | None:
    """Descriptor of the locked file; None: somebody else has it; -1: there are no locks here."""
    if sys.platform == "win32":
        return _UNLOCKED
    while True:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still_there(path, descriptor):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            os.close(descriptor)
            if error.errno in _NO_LOCKS:
                path.unlink(missing_ok=True)
                return _UNLOCKED
            raise
        # Its last owner removed it between our opening and our locking.
        os.close(descriptor)


def _is_still_there(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _unlock(descriptor: int) -> None:
    if sys.platform != "win32":
        # Not by closing alone: a process forked meanwhile holds the descriptor, too.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)
