"""Batches that are on the GPU before they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

Moved = tuple[Any, Callable[[], None]]


class Loader(Protocol):
    """What a :class:`Prefetcher` needs of a loader."""

    sampler: Any

    def __iter__(self) -> Iterator[Any]: ...

    def __len__(self) -> int: ...


class Prefetcher:
    """A loader whose next batch is read, and copied on a stream of its own, while the last is used.

    Args:
        loader: Gives batches in (pinned) main memory: dictionaries of tensors and other values.
        device: Where the tensors of a batch go; on a CPU there is no stream and nothing to copy.
    """

    def __init__(self, loader: Loader, device: torch.device) -> None:
        self.loader = loader
        self.device = device
        self.sampler = loader.sampler
        """Lightning tells it the epoch."""

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        move = _on_side_stream(self.device) if self.device.type == "cuda" else _as_it_is
        ahead: list[Moved] = []
        for moved in map(move, _each(self.loader)):
            ahead.append(moved)
            if len(ahead) > 1:
                yield _arrived(ahead.pop(0))
        yield from map(_arrived, ahead)


def _each(loader: Iterable[Any]) -> Iterator[Any]:
    yield from loader


def _arrived(moved: Moved) -> Any:
    batch, wait = moved
    wait()
    return batch


def _as_it_is(batch: Any) -> Moved:
    return batch, lambda: None


def _on_side_stream(device: torch.device) -> Callable[[Any], Moved]:
    stream = torch.cuda.Stream(device)

    def move(batch: dict[str, Any]) -> Moved:
        with torch.cuda.stream(stream):
            moved = {
                name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
                for name, value in batch.items()
            }
            copied = stream.record_event()

        def wait() -> None:
            current = torch.cuda.current_stream(device)
            current.wait_event(copied)
            for value in moved.values():
                if isinstance(value, Tensor):
                    value.record_stream(current)  # its memory is free for others only after that

        return moved, wait

    return move
