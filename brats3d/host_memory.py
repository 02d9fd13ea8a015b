"""Freed main memory that stays with the process, for computing on CPUs.

The C library gives every large block back to the system as soon as it is freed, and the system fills the
next one with zeros, page by page. A network on a CPU frees and takes its activations all the time, which
makes this a large part of what the processor does. Memory that is kept is used again; the peak is higher,
since blocks of one size leave gaps for those of another.
"""

from __future__ import annotations

import contextlib
import ctypes
import platform
import threading
from collections.abc import Iterator

# Of <malloc.h>: parameters of mallopt, and their values when nothing was set.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_DEFAULTS = {_M_TRIM_THRESHOLD: 128 * 1024, _M_MMAP_MAX: 65536}
_KEEPING = {_M_TRIM_THRESHOLD: 2**31 - 1, _M_MMAP_MAX: 0}

_lock = threading.Lock()
_users = 0


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep what is freed inside the block for the process; afterwards give back what is not in use.

    Only with the GNU C library; without effect elsewhere. Blocks may be nested.
    """
    _begin()
    try:
        yield
    finally:
        _end()


def _begin() -> None:
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _set(_KEEPING)


def _end() -> None:
    global _users
    with _lock:
        _users -= 1
        if _users == 0 and (library := _set(_DEFAULTS)) is not None:
            library.malloc_trim(0)


def _set(values: dict[int, int]) -> ctypes.CDLL | None:
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return None
    library = ctypes.CDLL(None)
    for parameter, value in values.items():
        library.mallopt(parameter, value)
    return library
