"""Prepared cases kept in memory, decompressed, as far as it has room for them.

In main memory, worker processes that are forked share the arrays with the process that read them; where
they are started anew instead, they read from the disk. On a GPU, patches are cut out there, by the
process that trains. Each process of a distributed training keeps its own.
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
import torch
from numpy.typing import NDArray
from torch import Tensor

from brats3d.data.store import StoredCase

logger = logging.getLogger(__name__)

Residency = Literal["disk", "ram", "gpu", "auto"]

# The rest is for the training: most of a GPU's memory is its activations.
_SHARE_OF_FREE_MEMORY = {"ram": 0.8, "gpu": 0.5}
_SHARE_WHEN_NOT_ASKED_FOR = {"ram": 0.5, "gpu": 0.3}
_NAMES = {"ram": "in memory", "gpu": "on the GPU"}
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


@dataclass(frozen=True, eq=False)
class DeviceCase(StoredCase):
    """A prepared case whose arrays are tensors of a device; sent to another process, it is one on disk again.

    Attributes:
        image_cxyz: Normalised image, float16.
        classes_xyz: Class indices, uint8.
    """

    image_cxyz: Tensor
    classes_xyz: Tensor

    def image(self) -> Tensor:  # type: ignore[override]
        """Normalised image, float16 ``(C, X, Y, Z)``."""
        return self.image_cxyz

    def classes(self) -> Tensor:  # type: ignore[override]
        """Class indices, uint8 ``(X, Y, Z)``."""
        return self.classes_xyz

    def __reduce__(self) -> tuple[type[StoredCase], tuple[str, Path]]:
        """Pickle the place alone."""
        return StoredCase, (self.case_id, self.folder)


@dataclass(frozen=True)
class Memory:
    """A place for prepared cases.

    Attributes:
        kind: ``ram`` or ``gpu``.
        free_bytes: Measures what is free there.
        take: Puts a case there.
        processes: Processes of this machine that share it, each with an equal part.
    """

    kind: Literal["ram", "gpu"]
    free_bytes: Callable[[], int]
    take: Callable[[StoredCase], StoredCase]
    processes: int = 1


def main_memory(processes: int = 1) -> Memory:
    """The memory of this machine."""
    return Memory("ram", free_memory_bytes, _taken_into_ram, processes)


def gpu_memory(device: torch.device) -> Memory:
    """The memory of a GPU."""
    return Memory("gpu", lambda: torch.cuda.mem_get_info(device)[0], lambda case: _taken_onto(device, case))


def reside(cases: Sequence[StoredCase], residency: Residency, memories: Sequence[Memory]) -> list[StoredCase]:
    """Take labelled cases into memory.

    Args:
        cases: Prepared cases.
        residency: ``disk`` leaves them where they are; ``ram`` and ``gpu`` take as many as fit there;
            ``auto`` takes all to the first memory in which all fit, or leaves them where they are.
        memories: What there is, best first. Where the memory asked for is not among them, the others
            take its place.

    Returns:
        The cases, in the same order.
    """
    if residency == "disk":
        return list(cases)
    if residency == "auto":
        for memory in memories:
            if _fitting(cases, memory, _SHARE_WHEN_NOT_ASKED_FOR[memory.kind]) == len(cases):
                return _filled(cases, memory, len(cases))
        logger.info("the training cases do not all fit into memory; they are read from the disk")
        return list(cases)
    usable = [memory for memory in memories if memory.kind == residency]
    if not usable:
        logger.warning("there is no GPU to keep training cases on; they are kept in main memory instead")
        usable = list(memories)
    return _filled(cases, usable[0], _fitting(cases, usable[0], _SHARE_OF_FREE_MEMORY[usable[0].kind]))


def _fitting(cases: Sequence[StoredCase], memory: Memory, share: float) -> int:
    room = int(memory.free_bytes() // max(1, memory.processes) * share)
    return sum(total <= room for total in np.cumsum([_size(case) for case in cases]).tolist())


def _filled(cases: Sequence[StoredCase], memory: Memory, fitting: int) -> list[StoredCase]:
    sizes = [_size(case) for case in cases]
    free = memory.free_bytes() // max(1, memory.processes)
    made: list[StoredCase] = []
    for case in cases[:fitting]:
        try:
            made.append(memory.take(case))
        except (MemoryError, torch.OutOfMemoryError):
            break
    logger.info(
        "%d of %d training cases are kept %s, %.1f of %.1f GiB (free: %.1f GiB)%s",
        len(made),
        len(cases),
        _NAMES[memory.kind],
        sum(sizes[: len(made)]) / 2**30,
        sum(sizes) / 2**30,
        free / 2**30,
        "" if len(made) == len(cases) else "; the others are read from the disk",
    )
    return [*made, *cases[len(made) :]]


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


def _taken_into_ram(case: StoredCase) -> StoredCase:
    image, classes = np.asarray(case.image()), np.asarray(case.classes())
    image.flags.writeable = classes.flags.writeable = False
    return ResidentCase(case.case_id, case.folder, image, classes)


def _taken_onto(device: torch.device, case: StoredCase) -> StoredCase:
    image, classes = (torch.from_numpy(np.array(array)) for array in (case.image(), case.classes()))
    return DeviceCase(case.case_id, case.folder, image.to(device), classes.to(device))


def _size(case: StoredCase) -> int:
    return sum(math.prod(array.shape) * array.dtype.itemsize for array in (case.image(), case.classes()))
