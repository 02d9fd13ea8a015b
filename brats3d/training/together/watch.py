"""A watch over the processes that train together: when one goes away, all end within a minute.

Collectives wait for a process that is gone, gloo for half an hour and NCCL for ten minutes, and then each
process fails in a way of its own. So each process counts in the common store once a second, and looks
whether the others still do.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import Popen
from typing import Any

from brats3d.training.together.ranks import Rank
from brats3d.training.together.verdicts import Verdict, lost, signal_name

logger = logging.getLogger(__name__)

BEAT_S = 1.0
SILENCE_S = 30.0
"""After this time without a sign of life a process counts as gone, in training."""
SILENCE_BEFORE_S = 300.0
"""The same before the training, when a library may hold the interpreter up for long."""
PROOF_S = 6.0
"""The same when a collective has failed, which tells that something is wrong."""
_VERDICT, _LEFT = "verdict", "left"


class Watch:
    """Counts, looks after the others, and keeps the first verdict of all processes.

    Args:
        rank: This process.
        store: Common key-value store of all processes.
        forced_end: Called in a thread when there is a verdict, and the process still runs.

    Attributes:
        children: Processes that this one started, in the order of their numbers.
        note: File that the survivors agree with when the store has gone away with the leader.
        leader: Place of the leader.
        in_training: Whether nobody is silent for long without being gone.
    """

    def __init__(self, rank: Rank, store: Any, forced_end: Callable[[], None]) -> None:
        self.rank = rank
        self.store = store
        self.children: Sequence[Popen[Any]] = ()
        self.note: Path | None = None
        self.leader = f"rank 0 of {rank.count}, on {rank.address}"
        self.in_training = False
        self._forced_end = forced_end
        self._known = threading.Event()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._verdict: Verdict | None = None
        self._heard: dict[int, tuple[bytes, float]] = {}
        self._contact = time.monotonic()
        self._connected = True
        store.set(f"place/{rank.number}", str(rank))
        self._count()
        threading.Thread(target=self._beat, daemon=True, name="watch over processes").start()
        threading.Thread(target=self._guard, daemon=True, name="guard of the end").start()

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, if there is one."""
        return self._verdict

    @property
    def is_over(self) -> bool:
        """Whether this process has taken leave."""
        return self._over.is_set()

    @property
    def _silence_s(self) -> float:
        return SILENCE_S if self.in_training else SILENCE_BEFORE_S

    def claim(self, verdict: Verdict) -> Verdict:
        """Have this verdict hold unless there is one already; return the one that holds."""
        with self._lock:
            if self._verdict is None:
                self._verdict = self._agreed(verdict)
                self._known.set()
            return self._verdict

    def look_closer(self) -> Verdict | None:
        """Find out who is gone after a collective failed; takes seconds, and None means nobody."""
        latest = time.monotonic() + PROOF_S + 3 * BEAT_S
        while self._verdict is None and time.monotonic() < latest:
            try:
                silent = self._silent(PROOF_S, self._others())
                if silent:
                    self._tell_lost(silent, "its connections broke, and it gives no sign of life")
            except RuntimeError:
                self._connected = False  # the guard takes it from here
            self._known.wait(BEAT_S / 4)
        return self._verdict

    def leave(self, *, patience_s: float = 0.0) -> None:
        """Take leave: this process is no more missed; wait for the others to do so, at most some time."""
        try:
            self.store.set(f"{_LEFT}/{self.rank.number}", "")
            latest = time.monotonic() + patience_s
            names = [f"{_LEFT}/{number}" for number in self._others()]
            while time.monotonic() < latest and not self.store.check(names):
                time.sleep(BEAT_S / 10)
        except RuntimeError as error:
            logger.debug("the store is gone: %s", error)
        self._over.set()

    def _others(self) -> list[int]:
        return [number for number in range(self.rank.count) if number != self.rank.number]

    def _count(self) -> None:
        self.store.add(f"beat/{self.rank.number}", 1)
        self._contact = time.monotonic()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            try:
                self._count()
                self._look()
            except RuntimeError:
                self._connected = False
                break  # the guard takes this for the end of the process that leads

    def _look(self) -> None:
        if self._verdict is None and self.store.check([_VERDICT]):
            verdict = Verdict.from_text(self.store.get(_VERDICT).decode())
            with self._lock:
                self._verdict = self._verdict or verdict
            self._known.set()
        if self._verdict is None:
            self._look_after_children()
        # The leader looks after all, the next one after the leader; that is little traffic.
        if self._verdict is None and self.rank.number <= 1:
            silent = self._silent(self._silence_s, self._others() if self.rank.number == 0 else [0])
            if silent:
                self._tell_lost(silent, f"no sign of life for {self._silence_s:g} s")

    def _look_after_children(self) -> None:
        codes = {number: child.poll() for number, child in enumerate(self.children, self.rank.number + 1)}
        ended = {number: code for number, code in codes.items() if code}
        if ended:
            code = next(iter(ended.values()))
            how = f"ended by {signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
            self._tell_lost([*ended], how)

    def _listen(self, numbers: Sequence[int]) -> None:
        keys = [f"beat/{number}" for number in numbers]
        if not keys or not self.store.check(keys):
            return  # some have yet to come
        now = time.monotonic()
        for number, count in zip(numbers, self.store.multi_get(keys), strict=True):
            if self._heard.get(number, (b"", 0.0))[0] != count:
                self._heard[number] = (count, now)

    def _silent(self, seconds: float, numbers: Sequence[int]) -> list[int]:
        """Which of these processes have not counted for this time, and have not left."""
        self._listen(numbers)
        now = time.monotonic()
        heard = {number: self._heard.get(number, (b"", now))[1] for number in numbers}
        return [n for n in numbers if now - heard[n] > seconds and not self.store.check([f"{_LEFT}/{n}"])]

    def _tell_lost(self, numbers: Sequence[int], reason: str) -> None:
        places = {}
        for number in numbers:
            if self.store.check([f"place/{number}"]):
                places[number] = self.store.get(f"place/{number}").decode()
            self.store.set(f"{_LEFT}/{number}", "")
        self.claim(lost(self.rank.number, numbers, places, reason))

    def _agreed(self, verdict: Verdict) -> Verdict:
        """The verdict of whoever was first, by the store, or by a file where the store is gone."""
        if self._connected:
            try:
                first = Verdict.from_text(self.store.compare_set(_VERDICT, "", verdict.to_text()).decode())
                if first == verdict:
                    self._is_first_to_note()  # for one that was cut off and comes back
                return first
            except RuntimeError:
                self._connected = False
        return verdict if self._is_first_to_note() else Verdict(-1, verdict.code)

    def _is_first_to_note(self) -> bool:
        try:
            if self.note is not None:
                self.note.touch(exist_ok=False)
        except FileExistsError:
            return False
        except OSError as error:
            logger.debug("no note that others would see: %s", error)
        return True

    def _guard(self) -> None:
        """End a process that does not end by itself, and take notice when the store is gone."""
        doubts = 0
        while not self._over.wait(BEAT_S / 2) and not self._known.is_set():
            # Seen several times: after a stop of all threads, this one may be the first to go on.
            doubts = doubts + 1 if time.monotonic() - self._contact > self._silence_s else 0
            if doubts > 4 or not self._connected:
                self._claim_leader_lost()
        if self._known.is_set() and not self._over.is_set():
            self._forced_end()

    def _claim_leader_lost(self) -> None:
        reason = "it cannot be reached any more" if self._connected else "its connections were closed"
        self._connected = False
        self.claim(Verdict(self.rank.number, 2, (self.leader,), reason))
