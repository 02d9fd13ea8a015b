"""The processes of a training: they meet, compare what they have, and end together."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from brats3d.errors import Brats3dError, ConfigError, DataError, LayoutError, RunError
from brats3d.training.together.ranks import Rank, check_allocation, launched_rank, rank_at
from brats3d.training.together.verdicts import Verdict, failed_error, lost_error

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

    from brats3d.training.together.agreement import Common
    from brats3d.training.together.watch import Watch

_PATIENCE_S = 600.0
"""How long processes wait for the one that leads, which may have come later, to begin."""
_GRACE_S = 15.0
"""How long a process may take to end by itself when there is a verdict."""
_GRACE_BEFORE_S = 6.0
"""The same while there is nothing to lose yet."""
_LEAVE_TOGETHER_S, _LEAVE_IN_FAILURE_S = 20.0, 4.0
_NUMBERS = ("RANK", "SLURM_PROCID", "LOCAL_RANK")


class TrainingGroup:
    """The processes that train together; a process that trains alone has a group of its own, at no cost.

    Attributes:
        run: Folder of the run, as soon as there is one.
        discard: Removes a run that cannot be resumed; called where a process cannot end in the usual way.
    """

    def __init__(self, rank: Rank | None) -> None:
        self.rank = rank
        self.run: Path | None = None
        self.discard: Callable[[], None] | None = None
        self._watch: Watch | None = None
        self._common: Callable[[], Common] | None = None
        self._terminated = False
        if rank is not None:
            self._meet(rank)

    @classmethod
    @contextmanager
    def joined(cls, machines: int, devices: int | str) -> Iterator[TrainingGroup]:
        """Group of this process; what is raised within ends all, and only one process tells it.

        Args:
            machines: ``trainer.num_nodes``.
            devices: ``trainer.devices``.

        Raises:
            Brats3dError: What ended the training, in the process that tells it.
            SystemExit: In the others.
        """
        try:
            group = cls(launched_rank(machines, devices))
        except ConfigError:
            if any(os.environ.get(name, "0") != "0" for name in _NUMBERS):
                raise SystemExit(2) from None  # all find the same, and the first one tells it
            raise
        try:
            with group._termination_heard():
                yield group
        except BaseException as error:
            told = group._conclusion(error)
            if told is error:
                raise
            raise told from None
        group.part()

    @property
    def follows(self) -> bool:
        """Whether another process leads: writes the run, and scores."""
        return self.rank is not None and self.rank.number > 0

    @staticmethod
    def expect(trainer: Trainer) -> None:
        """Check that a launcher, if any, has started the processes that a trainer expects.

        Raises:
            ConfigError: It has not.
        """
        check_allocation(trainer.num_nodes, trainer.num_devices)

    def prepare(self, trainer: Trainer, common: Callable[[], Common]) -> None:
        """Have the training begin with the checks; a trainer of one process is left as it is.

        Args:
            trainer: The trainer.
            common: Called when the training begins, if there are several processes.
        """
        if trainer.num_nodes * trainer.num_devices == 1:
            return
        from brats3d.training.together.launching import watch_launch

        self._common = common
        watch_launch(trainer, self._meet_in, self._begin)

    def trained(self) -> None:
        """Take note that the training is over, and what comes after is under way."""
        if self._watch is not None:
            self._watch.in_training = False

    def part(self) -> None:
        """Go separate ways, since the training is over."""
        if self._watch is not None:
            self._watch.leave(patience_s=0.0 if self.follows else _LEAVE_TOGETHER_S)
            self._watch = None

    def _meet_in(self, launcher: Any) -> None:
        """Meet the processes that this one is about to start."""
        if self._watch is None:
            environment = launcher.cluster_environment
            self.rank = rank_at(environment, 0, launcher.num_processes * launcher.num_nodes)
            self._meet(self.rank)

    def _meet(self, rank: Rank) -> None:
        from brats3d.training.together.meeting import open_store
        from brats3d.training.together.watch import Watch

        self.rank = rank
        self._watch = Watch(rank, open_store(rank, patience_s=_PATIENCE_S), self._forced_end)

    def _begin(self, launcher: Any) -> None:
        """Check that all have the same; the leader goes on when all others have."""
        from brats3d.training.together.agreement import Agreement

        assert self._watch is not None
        assert self._common is not None
        assert self.rank is not None
        self._watch.children = launcher.procs
        Agreement(self.rank, self._watch).reach(self._common())
        self._watch.in_training = True

    @contextmanager
    def _termination_heard(self) -> Iterator[None]:
        """Outlive the signal with which launchers end the others when one is gone, so as to tell of that.

        In the training the signal is heard there; what comes while it fails is only noted.
        """
        if self.rank is None or threading.current_thread() is not threading.main_thread():
            yield
            return

        def hear(number: int, frame: FrameType | None) -> None:
            again, self._terminated = self._terminated, True
            failing = self._watch is not None and self._watch.in_training
            if not (again or failing):
                raise SystemExit(128 + number)

        former = signal.signal(signal.SIGTERM, hear)
        try:
            yield
        finally:
            if self._watch is None:
                signal.signal(signal.SIGTERM, former)

    def _conclusion(self, error: BaseException) -> BaseException:
        """What this process shall raise instead of an error: one process tells it, the others are silent."""
        watch, rank = self._watch, self.rank
        finished = isinstance(error, SystemExit) and error.code in (0, None)
        if watch is None or rank is None or finished:
            self.part()
            return error
        if watch.verdict is None and (self._terminated or _is_of_communication(error)):
            watch.look_closer()
        code = _exit_code(error)
        verdict = watch.claim(Verdict(rank.number, code))
        mine = verdict.teller == rank.number
        told: BaseException = SystemExit(verdict.code)
        if isinstance(error, KeyboardInterrupt):
            told = error if not self.follows else SystemExit(code)
        elif mine and verdict.gone:
            told = self._lost_error(verdict)
        elif mine:
            told = self._own_error(error, rank)
        watch.leave(patience_s=0.0 if self.follows else _LEAVE_IN_FAILURE_S)
        self._end_children()
        _give_up_collectives()
        return told

    def _own_error(self, error: BaseException, rank: Rank) -> BaseException:
        if isinstance(error, (DataError, LayoutError, RunError)) and str(rank) not in str(error.where):
            where = str(rank) if error.where is None else f"{error.where}, on {rank}"
            return type(error)(
                error.what, where=where, got=error.got, expected=error.expected, remedy=error.remedy
            )
        if isinstance(error, (Brats3dError, SystemExit)):
            return error
        traceback.print_exception(error)
        return failed_error(error, rank, self._remedy())

    def _lost_error(self, verdict: Verdict) -> RunError:
        error = lost_error(verdict, self._remedy())
        note = None if self._watch is None else self._watch.note
        if note is not None and note.exists():
            note.write_text(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {error}\n", encoding="utf-8")
        return error

    def _remedy(self) -> str:
        kept = self.run is not None and any((self.run / "checkpoints").glob("*.ckpt"))
        if kept:
            return f"the state is kept up to the last checkpoint: continue with --resume {self.run}"
        if self.run is None or not self.run.exists() or not self.follows:
            return "then start again: there was no checkpoint yet"
        return f"then remove {self.run} and start again: there was no checkpoint yet"

    def _end_children(self) -> None:
        if self._watch is None:
            return
        for child in self._watch.children:
            child.kill()
            child.wait()

    def _forced_end(self) -> None:
        """End a process that waits for one that is gone; comes from a thread of the watch."""
        watch, rank = self._watch, self.rank
        if watch is None or rank is None or watch.verdict is None:
            return
        time.sleep(_GRACE_S if watch.in_training else _GRACE_BEFORE_S)
        verdict = watch.verdict
        if watch.is_over:
            return
        if verdict.teller == rank.number and verdict.gone:
            print(f"brats3d: error: {self._lost_error(verdict)}", file=sys.stderr, flush=True)
        watch.leave(patience_s=0.0 if self.follows else _LEAVE_IN_FAILURE_S)
        self._end_children()
        if self.discard is not None and not self.follows:
            self.discard()
        for process in multiprocessing.active_children():  # those that read samples
            process.kill()
        os._exit(verdict.code)


def _exit_code(error: BaseException) -> int:
    if isinstance(error, Brats3dError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return 130
    return error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1


def _is_of_communication(error: BaseException) -> bool:
    """Whether an error may come of another process's end."""
    from torch.distributed import DistError

    said = str(error).lower()
    return isinstance(error, DistError) or (
        isinstance(error, RuntimeError) and any(word in said for word in ("gloo", "nccl", "peer", "socket"))
    )


def _give_up_collectives() -> None:
    """Have the end of the program not wait for collectives that nobody takes part in any more."""
    from torch import distributed

    if distributed.is_initialized() and distributed.get_backend() == "nccl":
        distributed.distributed_c10d._abort_process_group()
