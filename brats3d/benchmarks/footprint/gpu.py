"""Peak memory of a GPU over a whole run."""

from __future__ import annotations

from typing import Any


class GpuPeak:
    """Largest memory that PyTorch held on the GPU since this was made; nothing without a GPU.

    Whoever resets PyTorch's statistics meanwhile, as sizing a batch to the memory does, does not make
    it forget.
    """

    def __init__(self) -> None:
        import torch

        self._allocated = self._reserved = 0
        self._there = torch.cuda.is_available()
        if self._there:
            reset = torch.cuda.reset_peak_memory_stats
            reset()

            def remember(*arguments: Any, **options: Any) -> None:
                self._look()
                reset(*arguments, **options)

            torch.cuda.reset_peak_memory_stats = remember

    def mib(self) -> dict[str, float]:
        """What was allocated, and what was reserved for that; empty without a GPU."""
        if not self._there:
            return {}
        self._look()
        return {"allocated_mib": self._allocated / 2**20, "reserved_mib": self._reserved / 2**20}

    def _look(self) -> None:
        import torch

        self._allocated = max(self._allocated, torch.cuda.max_memory_allocated())
        self._reserved = max(self._reserved, torch.cuda.max_memory_reserved())
