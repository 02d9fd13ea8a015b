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

    @property
    def batch_size(self) -> int | None:
        """Samples of a batch; None counts as one."""

    def __iter__(self) -> Iterator[Any]: ...

    def __len__(self) -> int: ...


class Prefetcher:
    """A loader whose next batch is read, and copied on a stream of its own, while the last is used.

    Its state is the number of batches it has given out in this epoch, so that a training that is resumed
    in the middle of an epoch goes on with the next one. The loader's sampler must be able to skip.

    Args:
        loader: Gives batches in (pinned) main memory: dictionaries of tensors and other values.
        device: Where the tensors of a batch go; on a CPU there is no stream and nothing to copy.
    """

    def __init__(self, loader: Loader, device: torch.device) -> None:
        self.loader = loader
        self.device = device
        self.sampler = loader.sampler
        """Lightning tells it the epoch."""
        self._given = 0
        self._skipped = 0

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        self._given, self._skipped = self._skipped, 0
        self.sampler.skip = self._given * (self.loader.batch_size or 1)
        move = _on_side_stream(self.device) if self.device.type == "cuda" else _as_it_is
        ahead: list[Moved] = []
        for moved in map(move, _each(self.loader)):
            ahead.append(moved)
            if len(ahead) > 1:
                yield self._give(ahead.pop(0))
        for moved in ahead:
            yield self._give(moved)

    def state_dict(self) -> dict[str, int]:
        """How many batches of this epoch have been given out."""
        return {"given": self._given % max(1, len(self))}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Leave out, once, what had been given out."""
        self._skipped = state_dict["given"]

    def _give(self, moved: Moved) -> Any:
        batch, wait = moved
        wait()
        self._given += 1
        return batch


def _each(loader: Iterable[Any]) -> Iterator[Any]:
    yield from loader


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
