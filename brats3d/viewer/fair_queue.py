"""A queue that lets everyone who waits have a turn, however much somebody else has asked for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from brats3d.viewer.refusals import QueueFull

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """Items of several owners: one of each in turn, of one owner in their order.

    Args:
        limit: Most items that may wait.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._owners: deque[Hashable] = deque()
        self._waiting: dict[Hashable, deque[Item]] = {}
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Item, owner: Hashable) -> None:
        """Let an item wait.

        Raises:
            QueueFull: As many wait as may wait.
        """
        with self._changed:
            if sum(map(len, self._waiting.values())) >= self._limit:
                raise QueueFull(self._limit)
            if owner not in self._waiting:
                self._waiting[owner] = deque()
                self._owners.append(owner)
            self._waiting[owner].append(item)
            self._changed.notify()

    def take(self, timeout: float) -> Item | None:
        """Return the item whose turn it is, or None at the end or after so many seconds without any."""
        with self._changed:
            self._changed.wait_for(lambda: self._owners or self._closed, timeout)
            if not self._owners:
                return None
            owner = self._owners.popleft()
            item = self._waiting[owner].popleft()
            if self._waiting[owner]:
                self._owners.append(owner)
            else:
                del self._waiting[owner]
            return item

    def close(self) -> None:
        """Let nobody wait for another item."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def remove(self, item: Item) -> bool:
        """Take an item out; False where it does not wait any more."""
        with self._changed:
            owner = next((owner for owner, items in self._waiting.items() if item in items), None)
            if owner is None:
                return False
            self._waiting[owner].remove(item)
            if not self._waiting[owner]:
                del self._waiting[owner]
                self._owners.remove(owner)
            return True

    def order(self) -> list[Item]:
        """Items that wait, in the order of their turns."""
        with self._changed:
            rounds = max(map(len, self._waiting.values()), default=0)
            return [
                self._waiting[owner][turn]
                for turn in range(rounds)
                for owner in self._owners
                if turn < len(self._waiting[owner])
            ]
