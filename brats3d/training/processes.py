"""What the processes of a distributed training tell each other."""

from __future__ import annotations

from typing import Any, TypeVar

from torch import Tensor, distributed

Value = TypeVar("Value")


def process_count() -> int:
    """Number of processes that train together."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size()
    return 1


def mean_over_processes(value: Tensor) -> Tensor:
    """Average a tensor, without its gradient; all processes must ask. GPUs are not waited for."""
    value, processes = value.detach(), process_count()
    if processes == 1:
        return value
    total = value.clone()
    distributed.all_reduce(total)
    return total / processes


def of_all_processes(own: Value) -> list[Value]:
    """Values of all processes by rank, each of which must ask; few bytes, for they are pickled."""
    processes = process_count()
    if processes == 1:
        return [own]
    parts: list[Any] = [None] * processes
    distributed.all_gather_object(parts, own)
    return parts
