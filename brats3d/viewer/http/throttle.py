"""Those who guess tokens must wait."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable


class Throttle:
    """Counts wrong tokens of each address.

    Args:
        tries: Wrong tokens that an address may show ...
        seconds: ... within so much time.
        clock: Seconds of a clock that never goes back.
    """

    _MOST_ADDRESSES = 10_000

    def __init__(
        self, tries: int = 10, seconds: float = 60, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tries, self._seconds, self._clock = tries, seconds, clock
        self._wrong: dict[str, deque[float]] = {}

    def wait_seconds(self, address: str) -> float:
        """Seconds until ``address`` may try again; 0: now."""
        wrong = self._wrong.get(address)
        if wrong is None or len(wrong) < self._tries:
            return 0.0
        return max(0.0, wrong[0] + self._seconds - self._clock())

    def wrong(self, address: str) -> None:
        """Count a wrong token."""
        if address not in self._wrong and len(self._wrong) >= self._MOST_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]
        self._wrong.setdefault(address, deque(maxlen=self._tries)).append(self._clock())

    def right(self, address: str) -> None:
        """Forget the wrong tokens of an address."""
        self._wrong.pop(address, None)
