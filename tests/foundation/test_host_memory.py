"""Memory that stays with the process while it computes: fewer pages anew, and given back afterwards."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys

import pytest

from brats3d import host_memory
from brats3d.host_memory import freed_memory_kept

IS_GLIBC = platform.libc_ver()[0] == "glibc"
# In a process of its own, since tests before this one shape the heap.
PROGRAM = """
import resource, sys

from brats3d.host_memory import freed_memory_kept

n = 2**26

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        b"x" * n  # larger than what the library ever keeps by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

faults()
outside = faults()
with freed_memory_kept():
    with freed_memory_kept():
        faults()
    inside = faults()
    kept = resident()
print(outside, inside, kept - resident(), faults())
"""


@pytest.mark.skipif(not IS_GLIBC, reason="this machine has another C library than GNU's")
def test_pages_are_taken_once_and_given_back_in_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    outside, inside, given_back, afterwards = map(int, done.stdout.split())
    pages = 5 * 2**26 // resource.getpagesize()
    assert outside > 0.9 * pages
    assert inside < 0.1 * pages
    assert given_back > 0.9 * 2**26
    assert afterwards > 0.9 * pages


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_memory.platform, "libc_ver", lambda: ("", ""))

    def forbidden(*arguments: object) -> None:
        raise AssertionError

    monkeypatch.setattr(host_memory.ctypes, "CDLL", forbidden)
    with freed_memory_kept():
        pass
