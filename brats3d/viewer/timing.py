"""How far a segmentation is and how long it will take, by its own pace and that of earlier ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal, get_args

Stage = Literal["loading model", "reading", "segmenting", "finishing"]
STAGES: tuple[Stage, ...] = get_args(Stage)

# Shares of the whole where nothing is known of the model yet.
_GUESSED_SHARES: Mapping[Stage, float] = {
    "loading model": 1.0,
    "reading": 1.0,
    "segmenting": 7.0,
    "finishing": 1.0,
}
_LEAST_SECONDS = 1e-3


class Stopwatch:
    """Times the stages of one segmentation.

    Args:
        expected: Seconds that each stage took the last time; empty where nothing is known.
        clock: Seconds from anywhere.

    Attributes:
        stage: What is being done; None before it begins.
        taken: Seconds of the stages that have ended.
    """

    def __init__(
        self, expected: Mapping[Stage, float], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.stage: Stage | None = None
        self.taken: dict[Stage, float] = {}
        self._expected = expected
        self._clock = clock
        self._entered_at = clock()
        self._share = 0.0
        self._fraction = 0.0

    def enter(self, stage: Stage | None) -> None:
        """End the stage and begin another one; None ends the last."""
        now = self._clock()
        if self.stage is not None:
            self.taken[self.stage] = now - self._entered_at
        self.stage, self._entered_at, self._share = stage, now, 0.0

    def advance(self, share: float) -> None:
        """Note what share of the stage is done."""
        self._share = share

    @property
    def fraction(self) -> float:
        """Share of the whole that is done, 0 to 1; never falls."""
        weights = {
            stage: max(self._expected.get(stage, _GUESSED_SHARES[stage]), _LEAST_SECONDS) for stage in STAGES
        }
        now, ended = self.stage, tuple(self.taken)  # another thread may go on meanwhile
        done = sum(weights[stage] for stage in ended)
        if now is not None and now not in ended:
            done += weights[now] * self._share_by_now(now)
        self._fraction = max(self._fraction, min(done / sum(weights.values()), 1.0))
        return self._fraction

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end, or None where nothing tells."""
        now, share = self.stage, self._share
        if now is None:
            return None
        elapsed = self._clock() - self._entered_at
        later = sum(self._expected.get(stage, 0.0) for stage in STAGES[STAGES.index(now) + 1 :])
        if share > 0:
            return elapsed / share * (1 - share) + later
        if now not in self._expected:
            return None
        return max(self._expected[now] - elapsed, 0.0) + later

    def _share_by_now(self, stage: Stage) -> float:
        if self._share > 0 or stage not in self._expected:
            return self._share
        elapsed = self._clock() - self._entered_at
        return elapsed / (elapsed + max(self._expected[stage], _LEAST_SECONDS))
