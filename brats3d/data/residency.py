"""Prepared cases kept in main memory, decompressed, as far as it has room for them.

Worker processes that are forked share the arrays with the process that read them. Where they are
started anew instead, they read from the disk. Each process of a distributed training keeps its own.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import psutil
from numpy.typing import NDArray

from brats3d.data.store import StoredCase

logger = logging.getLogger(__name__)

Residency = Literal["disk", "ram", "auto"]

_SHARE_OF_FREE_MEMORY = {"ram": 0.8, "auto": 0.5}
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, eq=False)
class ResidentCase(StoredCase):
    """A prepared case whose arrays are in memory; sent to another process, it is one on disk again.

    Attributes:
        image_cxyz: Normalised image, float16, not to be written to.
        classes_xyz: Class indices, uint8, not to be written to.
    """

    image_cxyz: NDArray[np.float16]
    classes_xyz: NDArray[np.uint8]

    def image(self) -> NDArray[np.float16]:
        """Normalised image, float16 ``(C, X, Y, Z)``."""
        return self.image_cxyz

    def classes(self) -> NDArray[np.uint8]:
        """Class indices, uint8 ``(X, Y, Z)``."""
        return self.classes_xyz

    def __reduce__(self) -> tuple[type[StoredCase], tuple[str, Path]]:
        """Pickle the place alone."""
        return StoredCase, (self.case_id, self.folder)


def reside(
    cases: Sequence[StoredCase],
    residency: Residency,
    *,
    processes: int = 1,
    free_bytes: Callable[[], int] | None = None,
) -> list[StoredCase]:
    """Take labelled cases into memory: as many as fit (``ram``), or all or none (``auto``).

    Args:
        cases: Prepared cases.
        residency: ``disk`` leaves them where they are.
        processes: Processes of this machine that do the same; each gets an equal share.
        free_bytes: Measures the free memory.

    Returns:
        The cases, in the same order.
    """
    if residency == "disk":
        return list(cases)
    free = (free_bytes or free_memory_bytes)() // max(1, processes)
    room = int(free * _SHARE_OF_FREE_MEMORY[residency])
    sizes = [_size(case) for case in cases]
    fitting = sum(total <= room for total in np.cumsum(sizes).tolist())
    if residency == "auto" and fitting < len(cases):
        fitting = 0
    made = [*_taken(cases[:fitting]), *cases[fitting:]]
    kept = sum(isinstance(case, ResidentCase) for case in made)
    logger.info(
        "%d of %d training cases are kept in memory, %.1f of %.1f GiB (free: %.1f GiB)%s",
        kept,
        len(cases),
        sum(sizes[:kept]) / 2**30,
        sum(sizes) / 2**30,
        free / 2**30,
        "" if kept == len(cases) else "; the others are read from the disk",
    )
    return made


def free_memory_bytes() -> int:
    """Memory that may still be used, within the limit of a container if there is one."""
    free = psutil.virtual_memory().available
    try:
        limit = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        statistics = dict(
            line.split() for line in (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
        )
    except (OSError, ValueError):
        return free  # no control group of this kind limits the memory
    if limit == "max":
        return free
    return max(0, min(free, int(limit) - used + int(statistics.get("inactive_file", 0))))


def _taken(cases: Sequence[StoredCase]) -> list[StoredCase]:
    made: list[StoredCase] = []
    for case in cases:
        try:
            image, classes = np.asarray(case.image()), np.asarray(case.classes())
        except MemoryError:
            return [*made, *cases[len(made) :]]
        image.flags.writeable = classes.flags.writeable = False
        made.append(ResidentCase(case.case_id, case.folder, image, classes))
    return made


def _size(case: StoredCase) -> int:
    return sum(math.prod(array.shape) * array.dtype.itemsize for array in (case.image(), case.classes()))
