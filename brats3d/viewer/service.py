"""Models offered to several users at once: one computes at a time, all see how far it is."""

from __future__ import annotations

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
from brats3d.viewer.job import Job
from brats3d.viewer.offered_model import OfferedModel
from brats3d.viewer.outcome import forget_latest
from brats3d.viewer.refusals import JobGone
from brats3d.viewer.snapshot import ENDED
from brats3d.viewer.worker import Worker


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
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._closing = False
        self._worker = Worker(self._folder, queue_limit, self.expire)

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
        job = Job(case, chosen, upload_id, self._worker.place, explain, self._clock)
        with self._lock:
            if self._closing:
                raise ConfigError("the service is closed", where="submit", remedy="make another one")
            self._jobs[job.id] = job
        try:
            self._worker.put(job)
        except BaseException:
            self._forget(job)
            raise
        return job

    def job(self, job_id: str) -> Job:
        """Return a job, which is then kept for longer.

        Raises:
            JobGone: There is none of that id.
        """
        with self._lock:
            if job_id not in self._jobs:
                raise JobGone(job_id)
            job = self._jobs[job_id]
        job.touch()
        return job

    def cancel(self, job_id: str) -> None:
        """End a job that waits or runs; forget one that has ended, with its result.

        Raises:
            JobGone: There is none of that id.
        """
        job = self.job(job_id)
        if job.state in ENDED:
            self._forget(job)
        else:
            self._worker.stop(job)

    def forget_upload(self, upload_id: str) -> None:
        """End and forget the jobs of an upload."""
        with self._lock:
            theirs = [job for job in self._jobs.values() if job.upload_id == upload_id]
        for job in theirs:
            self._worker.stop(job)
            self._forget(job)

    def expire(self) -> None:
        """Forget the jobs that nobody has asked for; also done every few seconds."""
        oldest = self._clock() - self._keep_s
        with self._lock:
            old = [job for job in self._jobs.values() if job.asked_at < oldest and job.state in ENDED]
        for job in old:
            self._forget(job)

    def close(self) -> None:
        """End all jobs and delete all results."""
        with self._lock:
            self._closing = True
            jobs = list(self._jobs.values())
        for job in jobs:
            self._worker.stop(job)
        self._worker.close()
        for job in jobs:
            self._forget(job)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> SegmentationService:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _forget(self, job: Job) -> None:
        with self._lock:
            self._jobs.pop(job.id, None)
        job.forget()
        forget_latest()
