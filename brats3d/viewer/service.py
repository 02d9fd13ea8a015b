"""Models offered to several users at once: one computes at a time, all see how far it is."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from brats3d.cases import Case
from brats3d.errors import Brats3dError, ConfigError, closest_first
from brats3d.files import make_folder
from brats3d.inference.progress import Cancelled
from brats3d.viewer.computing import compute
from brats3d.viewer.fair_queue import FairQueue
from brats3d.viewer.job import ENDED, Job
from brats3d.viewer.offered_model import OfferedModel
from brats3d.viewer.outcome import forget_classes
from brats3d.viewer.refusals import JobGone
from brats3d.viewer.timing import STAGES, Stage

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_EXPIRIES = 5.0


class SegmentationService:
    """Segments cases with the models it is given, one after the other, in a thread of its own.

    Uploads that wait take turns. Results are kept on disk, and deleted when nobody has asked for them for
    some time::

        with SegmentationService(offered_models(AppConfig(run=("runs/first",)))) as service:
            job = service.submit(case, "first")
            job.wait()
            print(job.result({"ET": 0.4}).as_dict())

    Args:
        models: At least one; their weights are loaded when they are first needed.
        folder: For results; None: a temporary one.
        keep_minutes: Results that nobody has asked for during so many minutes are deleted.
        queue_limit: Most segmentations that may wait.
        clock: Seconds from anywhere.

    Raises:
        ConfigError: No model, or two of one id.
        OutputError: The folder cannot be made.
    """

    def __init__(
        self,
        models: Sequence[OfferedModel],
        folder: Path | None = None,
        *,
        keep_minutes: float = 30.0,
        queue_limit: int = 100,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models = {model.id: model for model in models}
        if not models or len(self._models) < len(models):
            raise ConfigError(
                "models that cannot be offered",
                got=", ".join(model.id for model in models) or "none",
                expected="at least one, each with an id of its own",
            )
        parent = None if folder is None else make_folder(folder)
        self._folder = Path(tempfile.mkdtemp(prefix="brats3d-results-", dir=parent))
        self._keep_s = 60 * keep_minutes
        self._clock = clock
        self._queue: FairQueue[Job] = FairQueue(queue_limit)
        self._jobs: dict[str, Job] = {}
        self._asked_at: dict[str, float] = {}
        self._paces: dict[str, dict[Stage, float]] = {}
        self._running: Job | None = None
        self._lock = threading.RLock()
        self._closing = False
        self._worker = threading.Thread(target=self._work, name="brats3d-segmentation", daemon=True)
        self._worker.start()

    @property
    def models(self) -> tuple[OfferedModel, ...]:
        """What is offered, in the order it was given."""
        return tuple(self._models.values())

    def model(self, model_id: str) -> OfferedModel:
        """Return a model.

        Raises:
            ConfigError: There is none of that id.
        """
        if model_id not in self._models:
            choices = closest_first(model_id, self._models)
            raise ConfigError(
                f"no model {model_id!r} is offered",
                where="model",
                got=model_id,
                expected="one of " + ", ".join(choices),
                remedy=f"did you mean {choices[0]!r}?",
            )
        return self._models[model_id]

    def submit(
        self,
        case: Case,
        model: str,
        *,
        upload_id: str | None = None,
        explain: Callable[[Brats3dError], Brats3dError] | None = None,
    ) -> Job:
        """Let a case wait for its segmentation.

        Args:
            case: Images, and a label map if there is a reference to compare with.
            model: Id of the model.
            upload_id: Whoever asks; jobs of one take turns with those of others.
            explain: Puts errors of reading the case into the words of whoever asks.

        Raises:
            ConfigError: There is no such model, or the service is closed.
            DataError: The case lacks a modality.
            QueueFull: As many wait as may wait.
        """
        chosen = self.model(model)
        case.require(chosen.modalities)
        job = Job(case, chosen, upload_id, self._place, explain)
        with self._lock:
            if self._closing:
                raise ConfigError("the service is closed", where="submit", remedy="make another one")
            self._queue.put(job, upload_id or job.id)
            self._jobs[job.id] = job
            self._asked_at[job.id] = self._clock()
        self._tell_waiting()
        return job

    def job(self, job_id: str) -> Job:
        """Return a job, which is then kept for longer.

        Raises:
            JobGone: There is none of that id.
        """
        with self._lock:
            if job_id not in self._jobs:
                raise JobGone(job_id)
            self._asked_at[job_id] = self._clock()
            return self._jobs[job_id]

    def cancel(self, job_id: str) -> None:
        """End a job that waits or runs; forget one that has ended, with its result.

        Raises:
            JobGone: There is none of that id.
        """
        job = self.job(job_id)
        if job.state in ENDED:
            self._forget(job)
        else:
            self._stop(job)

    def forget_upload(self, upload_id: str) -> None:
        """End and forget the jobs of an upload."""
        with self._lock:
            theirs = [job for job in self._jobs.values() if job.upload_id == upload_id]
        for job in theirs:
            self._stop(job)
            self._forget(job)

    def expire(self) -> None:
        """Forget the jobs that nobody has asked for; also done every few seconds."""
        oldest = self._clock() - self._keep_s
        with self._lock:
            old = [
                job for job in self._jobs.values() if self._asked_at[job.id] < oldest and job.state in ENDED
            ]
        for job in old:
            self._forget(job)

    def close(self) -> None:
        """End all jobs and delete all results."""
        with self._lock:
            self._closing = True
            jobs = list(self._jobs.values())
        for job in jobs:
            self._stop(job)
        self._queue.close()
        self._worker.join()
        for job in jobs:
            self._forget(job)
        shutil.rmtree(self._folder, ignore_errors=True)
        forget_classes()

    def __enter__(self) -> SegmentationService:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _work(self) -> None:
        while not self._closing:
            job = self._queue.take(_SECONDS_BETWEEN_EXPIRIES)
            if job is not None:
                self._running = job
                self._tell_waiting()
                try:
                    self._run(job)
                finally:
                    self._running = None
            self.expire()

    def _run(self, job: Job) -> None:
        """Compute a job; whatever happens, it comes to an end and the thread goes on."""
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
        finally:
            with self._lock:
                if job.id in self._jobs:
                    self._asked_at[job.id] = self._clock()
            if job.state != "done" or job.id not in self._jobs:
                job.delete_result()
                shutil.rmtree(folder, ignore_errors=True)

    def _stop(self, job: Job) -> None:
        job.cancel()
        if self._queue.remove(job):
            job.end("cancelled")
            self._tell_waiting()

    def _forget(self, job: Job) -> None:
        with self._lock:
            self._jobs.pop(job.id, None)
            self._asked_at.pop(job.id, None)
        job.delete_result()

    def _place(self, job: Job) -> tuple[int | None, float | None]:
        """How many jobs are before one that waits, and when it will end."""
        waiting = self._queue.order()
        if job not in waiting:
            return None, None
        running, before = self._running, waiting[: waiting.index(job)]
        left: list[float | None] = [self._whole(other) for other in (*before, job)]
        left += [] if running is None else [running.seconds_left]
        known = [seconds for seconds in left if seconds is not None]
        return len(before) + (running is not None), sum(known) if len(known) == len(left) else None

    def _whole(self, job: Job) -> float | None:
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
