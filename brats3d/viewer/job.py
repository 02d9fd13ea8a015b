"""A segmentation that somebody has asked for: its state, its progress, at last its result."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress

from brats3d.cases import Case
from brats3d.errors import Brats3dError
from brats3d.inference.progress import Cancelled
from brats3d.viewer.offered_model import OfferedModel
from brats3d.viewer.outcome import Outcome
from brats3d.viewer.refusals import NotDone, error_as_dict
from brats3d.viewer.results import Result
from brats3d.viewer.snapshot import ENDED, Snapshot, State
from brats3d.viewer.timing import Stage, Stopwatch

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_EVENTS = 0.1
_SECONDS_WITHOUT_NEWS = 1.0


class Job:
    """One segmentation; safe to use from any thread.

    Args:
        case: What to segment.
        model: What segments it.
        upload_id: Whoever asked for it; jobs of one take turns with those of others.
        place: Returns how many jobs are before it, and an estimate of the seconds until its end.
        explain: Puts errors of reading the case into the words of whoever asked.
        clock: Seconds from anywhere.

    Attributes:
        id: Cannot be guessed: who knows it may see the result.
        asked_at: When somebody asked for it last, by the clock.
    """

    def __init__(
        self,
        case: Case,
        model: OfferedModel,
        upload_id: str | None,
        place: Callable[[Job], tuple[int | None, float | None]],
        explain: Callable[[Brats3dError], Brats3dError] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.case = case
        self.model = model
        self.upload_id = upload_id
        self.explain = explain or (lambda error: error)
        self.asked_at = clock()
        self._clock = clock
        self._place = place
        self._state: State = "queued"
        self._watch: Stopwatch | None = None
        self._error: dict[str, str | None] | None = None
        self._outcome: Outcome | None = None
        self._cancelled = False
        self._forgotten = False
        self._changed = threading.Condition()
        self._listeners: list[Callable[[], None]] = []

    @property
    def short_id(self) -> str:
        """Beginning of the id, for logs: it opens nothing."""
        return self.id[:6]

    @property
    def state(self) -> State:
        """One of queued, running, done, failed and cancelled."""
        return self._state

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end of a job that runs, or None where nothing tells."""
        watch = self._watch
        return None if watch is None else watch.seconds_left

    def snapshot(self) -> Snapshot:
        """How far it is now."""
        state, watch = self._state, self._watch
        position, left = self._place(self) if state == "queued" else (None, None)
        running = watch if state == "running" else None
        fraction = None if running is None else running.fraction
        return {
            "state": state,
            "position": position,
            "stage": None if running is None else running.stage,
            "fraction": 1.0 if state == "done" else fraction,
            "seconds_left": left if running is None else running.seconds_left,
            "error": self._error,
        }

    def wait(self, timeout: float | None = None) -> Snapshot:
        """Wait for its end, for so many seconds at most.

        Returns:
            How far it is then.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._state in ENDED, timeout)
        return self.snapshot()

    def result(self, thresholds: Mapping[str, float] | None = None) -> Result:
        """Return the result at thresholds.

        Args:
            thresholds: Region to the probability above which a voxel belongs to it, between 0 and 1; the
                model's own for regions that are not named.

        Raises:
            NotDone: There is none.
            ConfigError: A threshold that cannot work.
        """
        self.touch()
        outcome = self._outcome
        if outcome is None:
            raise NotDone(self.id, self._state)
        return Result(outcome, outcome.complete(thresholds))

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have ``listener`` called, in any thread, whenever there is news; return what ends that."""
        with self._changed:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._changed, suppress(ValueError):
                self._listeners.remove(listener)

        return unsubscribe

    async def events(self) -> AsyncIterator[Snapshot]:
        """Yield how far it is, now and whenever that changes, until its end."""
        loop = asyncio.get_running_loop()
        news = asyncio.Event()

        def tell() -> None:
            with suppress(RuntimeError):  # whoever listened is gone, and the loop with them
                loop.call_soon_threadsafe(news.set)

        unsubscribe = self.subscribe(tell)
        last: Snapshot | None = None
        try:
            while True:
                news.clear()
                now = self.snapshot()
                if now != last:
                    last = now
                    yield now
                if now["state"] in ENDED:
                    return
                with suppress(asyncio.TimeoutError):  # the time that is left changes without any news
                    await asyncio.wait_for(news.wait(), _SECONDS_WITHOUT_NEWS)
                await asyncio.sleep(_SECONDS_BETWEEN_EVENTS)
        finally:
            unsubscribe()

    def start(self, expected: Mapping[Stage, float]) -> Stopwatch:
        """Begin; ``expected`` has the seconds of stages, as far as they are known.

        Raises:
            Cancelled: It is no longer wanted.
        """
        self._watch = Stopwatch(expected)
        with self._changed:
            if self._cancelled:
                raise Cancelled
            self._state = "running"
        return self._watch

    def enter(self, stage: Stage) -> None:
        """Begin a stage.

        Raises:
            Cancelled: The job is no longer wanted.
        """
        assert self._watch is not None
        self._watch.enter(stage)
        self.tell()
        self._stop_if_unwanted()

    def hear(self, done: int, total: int) -> None:
        """Note the progress within a stage.

        Raises:
            Cancelled: The job is no longer wanted.
        """
        assert self._watch is not None
        self._watch.advance(done / total if total else 0.0)
        self.tell()
        self._stop_if_unwanted()

    def cancel(self) -> None:
        """Say that it is no longer wanted; a job that runs ends at its next step."""
        self._cancelled = True

    def end(self, state: State, *, outcome: Outcome | None = None, error: Brats3dError | None = None) -> None:
        """Come to an end, once."""
        with self._changed:
            if self._state in ENDED:
                return
            self._outcome = outcome
            self._error = None if error is None else error_as_dict(error)
            self._state = state
            forgotten = self._forgotten
            self._changed.notify_all()
        self.touch()
        if forgotten and outcome is not None:
            outcome.files.delete()
        self.tell()

    def touch(self) -> None:
        """Note that somebody asks for it."""
        self.asked_at = self._clock()

    def forget(self) -> None:
        """Delete what is kept of it, or will be."""
        with self._changed:
            self._forgotten = True
            outcome = self._outcome
        if outcome is not None:
            outcome.files.delete()

    def tell(self) -> None:
        """Tell whoever listens that there is news."""
        with self._changed:
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener()
            except Exception:  # a defect of theirs is no reason to end the segmentation
                logger.exception("job %s: a listener failed", self.short_id)

    def _stop_if_unwanted(self) -> None:
        if self._cancelled:
            raise Cancelled
