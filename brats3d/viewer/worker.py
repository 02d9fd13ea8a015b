"""The thread that computes: one job at a time, whose turn it is; whatever happens, the next one follows."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from brats3d.errors import Brats3dError
from brats3d.inference.progress import Cancelled
from brats3d.viewer.computing import compute
from brats3d.viewer.fair_queue import FairQueue
from brats3d.viewer.job import Job
from brats3d.viewer.timing import STAGES, Stage

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_PAUSES = 5.0


class Worker:
    """Computes jobs in the order of their turns.

    Args:
        folder: For a folder of each job.
        queue_limit: Most jobs that may wait.
        pause: Called between jobs, every few seconds at least.
    """

    def __init__(self, folder: Path, queue_limit: int, pause: Callable[[], None]) -> None:
        self._folder = folder
        self._pause = pause
        self._queue: FairQueue[Job] = FairQueue(queue_limit)
        self._paces: dict[str, dict[Stage, float]] = {}
        self._running: Job | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="brats3d-segmentation", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Let a job wait for its turn.

        Raises:
            QueueFull: As many wait as may wait.
        """
        self._queue.put(job, job.upload_id or job.id)
        self._tell_waiting()

    def stop(self, job: Job) -> None:
        """End a job that waits, and one that runs at its next step."""
        job.cancel()
        if self._queue.remove(job):
            job.end("cancelled")
            self._tell_waiting()

    def place(self, job: Job) -> tuple[int | None, float | None]:
        """How many jobs are before one that waits, and in how many seconds it will have ended."""
        waiting = self._queue.order()
        if job not in waiting:
            return None, None
        running, before = self._running, waiting[: waiting.index(job)]
        left = [self._whole(other) for other in (*before, job)]
        left += [] if running is None else [running.seconds_left]
        known = [seconds for seconds in left if seconds is not None]
        return len(before) + (running is not None), sum(known) if len(known) == len(left) else None

    def close(self) -> None:
        """Come to an end after the job that runs."""
        self._closing = True
        self._queue.close()
        self._thread.join()

    def _work(self) -> None:
        while not self._closing:
            job = self._queue.take(_SECONDS_BETWEEN_PAUSES)
            if job is not None:
                self._running = job
                self._tell_waiting()
                try:
                    self._run(job)
                finally:
                    self._running = None
            self._pause()

    def _run(self, job: Job) -> None:
        folder = self._folder / job.id
        try:
            watch = job.start(self._paces.get(job.model.id, {}))
            outcome = compute(job, folder)
            watch.enter(None)
            self._paces[job.model.id] = watch.taken
            job.end("done", outcome=outcome)
        except Cancelled:
            job.end("cancelled")
        except Brats3dError as error:
            job.end("failed", error=_explained(job, error))
        except BaseException as error:  # whatever it is, the next job is not to wait for ever
            job.end("failed", error=_in_words(job, error))
        if job.state != "done":
            shutil.rmtree(folder, ignore_errors=True)

    def _whole(self, job: Job) -> float | None:
        """Seconds of a job, by the last one of its model."""
        pace = self._paces.get(job.model.id)
        return None if pace is None else sum(pace.get(stage, 0.0) for stage in STAGES)

    def _tell_waiting(self) -> None:
        for job in self._queue.order():
            job.tell()


def _explained(job: Job, error: Brats3dError) -> Brats3dError:
    try:
        return job.explain(error)
    except Exception as another:  # the words of others are not worth the thread
        return _in_words(job, another)


def _in_words(job: Job, error: BaseException) -> Brats3dError:
    from brats3d.inference.memory import is_out_of_memory

    if is_out_of_memory(error):
        logger.warning("job %s: memory ran out", job.short_id)
        return Brats3dError(
            "memory ran out during the segmentation",
            got=type(error).__name__,
            expected="enough free memory for the images and the model",
            remedy="try again later, choose a smaller model, or have whoever runs this give it more memory",
        )
    logger.error("job %s failed", job.short_id, exc_info=error)
    return Brats3dError(
        "the segmentation failed for a reason that is not in the images",
        where=f"job {job.short_id}",
        remedy="try another model; whoever runs this finds the reason in its log, under this job",
    )
