# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Sums over the processes of a distributed training, with the gradient of one process."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed


class _SumOverProcesses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.detach().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        # Distributed training averages gradients over processes; that of a sum is the sum of theirs.
        return gradient * distributed.get_world_size()


def summed_over_processes(own: Tensor) -> Tensor:
    """Add up what the processes of a training have counted.

    All of them must ask, and use the sums for the same: the gradient is right where gradients are
    averaged over processes (DDP, FSDP) and every process computes the same loss from the sums. What
    is computed without a gradient is the process's own, so that one may do so alone.

    Args:
        own: Sums over the part of the batch that this process has.

    Returns:
        Sums over the whole batch; ``own`` itself where there is one process.
    """
    if not (torch.is_grad_enabled() and distributed.is_available() and distributed.is_initialized()):
        return own
    if distributed.get_world_size() == 1:
        return own
    total: Tensor = _SumOverProcesses.apply(own)
    return total
