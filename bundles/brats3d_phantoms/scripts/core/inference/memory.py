# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""How many images fit into memory at once, and what happens when they turn out not to.

An image is what a network sees: a window or a slice, or one of its mirror images.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import torch

from scripts.core.errors import ConfigError

T = TypeVar("T")
Step = Callable[[Sequence[T], int], None]

log = logging.getLogger(__name__)

_LARGEST_AUTO_BATCH = 16
# Below this many voxels a CPU spends its time on the calls rather than on the arithmetic.
_CPU_VOXELS_AT_ONCE = 2**18
# cuDNN picks other algorithms, with other work spaces, for other batch sizes.
_USABLE_SHARE_OF_FREE_MEMORY = 0.8
_MESSAGES = ("out of memory", "can't allocate memory", "not enough memory", "status_alloc_failed")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory ran out, on a GPU or in the machine."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(part in str(error).lower() for part in _MESSAGES)


class BatchRunner:
    """Runs a step over items in batches, and in smaller ones after memory ran out.

    What is counted are images: each item is one, or as many as it has mirror images. On a GPU these
    share a batch, so that few items fill it, too; on the CPU, where this saves nothing and takes
    memory, they come one after the other. When memory runs out the number of images is halved: fewer
    items at once first, then fewer mirror images of a single one, at last one image at a time.

    The number that worked is kept for the next call. ``auto`` runs one image first and fits as many
    as the free memory of the GPU holds; on the CPU, where batches save little time, only small
    images are bundled.

    Args:
        size: Images at once, or ``auto``.
        item_voxels: Voxels of one image.
        where: Configuration key of ``size``, for the message.
        mirrors: Mirror images of an item, itself included.
        mirrors_together: Whether mirror images share a batch; None: on GPUs only.

    Raises:
        ConfigError: ``size`` is neither ``auto`` nor a positive whole number.
    """

    def __init__(
        self,
        size: int | Literal["auto"],
        *,
        item_voxels: int,
        where: str,
        mirrors: int = 1,
        mirrors_together: bool | None = None,
    ) -> None:
        if size != "auto" and (not isinstance(size, int) or size < 1):
            raise ConfigError(
                "invalid batch size", where=where, got=size, expected="auto or a whole number from 1"
            )
        self._item_voxels = item_voxels
        self._mirrors = mirrors
        self._together = mirrors_together
        self.size: int | None = None if size == "auto" else size

    def run(
        self,
        items: Sequence[T],
        step: Step[T],
        *,
        device: torch.device,
        relieve: Callable[[], bool] = lambda: False,
    ) -> None:
        """Call ``step`` with batches of ``items`` until all are done.

        Args:
            items: What to work through.
            step: Called with a batch and with how many mirror images of it share a call of the
                network. Must leave no trace when it fails for lack of memory: it is then called again.
            device: Where the network runs.
            relieve: Called when a single image does not fit; frees memory and returns True, or
                returns False when there is nothing to free.

        Raises:
            ConfigError: Not even one image fits into memory.
        """
        together = device.type == "cuda" if self._together is None else self._together
        done = 0
        while done < len(items):
            size = self._next_size(device)
            mirrors = min(self._mirrors, size) if together else 1
            batch = items[done : done + size // mirrors]
            if self.size is None:
                torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
            if self._attempt(step, batch, mirrors, device):
                done += len(batch)
                if self.size is None:
                    self.size = _batch_that_fits(device, before)
            elif len(batch) * mirrors > 1:
                self.size = len(batch) * mirrors // 2
                log.warning("memory ran out; going on with %d images at once", self.size)
            elif not relieve():
                raise _does_not_fit(device)

    def _next_size(self, device: torch.device) -> int:
        if self.size is None and device.type != "cuda":
            self.size = max(1, min(_LARGEST_AUTO_BATCH, _CPU_VOXELS_AT_ONCE // self._item_voxels))
        return self.size or 1

    @staticmethod
    def _attempt(step: Step[T], batch: Sequence[T], mirrors: int, device: torch.device) -> bool:
        try:
            step(batch, mirrors)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            return True
        # Only here, with the exception gone, are the tensors of its frames free.
        if device.type == "cuda":
            torch.cuda.empty_cache()
        return False


def _batch_that_fits(device: torch.device, allocated_before: int) -> int:
    """Number of images that fit, from what the first one took."""
    needed = max(torch.cuda.max_memory_allocated(device) - allocated_before, 1)
    unused_by_torch = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free = torch.cuda.mem_get_info(device)[0] + unused_by_torch
    size = int(_USABLE_SHARE_OF_FREE_MEMORY * free / needed)
    return max(1, min(_LARGEST_AUTO_BATCH, size))


def _does_not_fit(device: torch.device) -> ConfigError:
    return ConfigError(
        "memory ran out on a single window",
        where="inference.window",
        got=f"not enough free memory on {device}",
        expected="memory for the network on one window",
        remedy="end other programs that use the device, choose a smaller inference.window, lower the "
        "precision, or predict on another device",
    )
