"""Waiting, computing, cancelling and failing, with a model that does as it is told."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from brats3d.cases import Case
from brats3d.errors import ConfigError, DataError
from brats3d.viewer import Job, JobGone, NotDone, OfferedModel, QueueFull, SegmentationService
from brats3d.viewer.fair_queue import FairQueue


class Told(Protocol):
    may_go_on: threading.Event
    does: Callable[[Case], None]
    seen: list[Case]
    steps: int

    def offered(self, name: str = ..., **rules: Any) -> OfferedModel: ...


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(obedient: Told, tmp_path: Path, clock: Clock) -> Iterator[SegmentationService]:
    models = [obedient.offered(), obedient.offered("other")]
    made = SegmentationService(models, tmp_path / "kept", keep_minutes=1, queue_limit=5, clock=clock)
    yield made
    obedient.may_go_on.set()
    made.close()
    assert list((tmp_path / "kept").iterdir()) == []


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def begun(service: SegmentationService, obedient: Told, case: Case, **who: Any) -> Job:
    """A job that waits for leave to take its first step."""
    obedient.may_go_on.clear()
    job = service.submit(case, "obedient", **who)
    until(lambda: job.snapshot()["stage"] == "segmenting")
    return job


def named(case: Case, name: str) -> Case:
    return replace(case, case_id=name)


def test_a_queue_lets_owners_take_turns() -> None:
    queue: FairQueue[str] = FairQueue(limit=6)
    for item in ("a1", "a2", "a3", "b1", "c1", "b2"):
        queue.put(item, item[0])
    with pytest.raises(QueueFull, match="too many"):
        queue.put("d1", "d")
    turns = ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert queue.order() == turns
    assert queue.take(0) == "a1"
    assert queue.remove("b1")
    assert not queue.remove("b1")
    assert [queue.take(0) for _ in range(5)] == ["b2", "c1", "a2", "a3", None]
    queue.put("a4", "a")
    assert queue.order() == ["a4"]


def test_uploads_take_turns_and_know_their_place(
    service: SegmentationService, obedient: Told, phantom_case: Case
) -> None:
    first = begun(service, obedient, named(phantom_case, "a1"), upload_id="a")
    jobs = [
        service.submit(named(phantom_case, name), "obedient", upload_id=name[0])
        for name in ("a2", "a3", "b1", "c1")
    ]
    assert first.snapshot()["position"] is None
    # Whose turn it was comes last: a2 was there before the others.
    assert [job.snapshot()["position"] for job in jobs] == [1, 4, 2, 3]
    obedient.may_go_on.set()
    for job in jobs:
        assert job.wait(20)["state"] == "done"
    assert [case.case_id for case in obedient.seen] == ["a1", "a2", "b1", "c1", "a3"]
    assert jobs[0].snapshot() == {
        "state": "done",
        "position": None,
        "stage": None,
        "fraction": 1.0,
        "seconds_left": None,
        "error": None,
    }


def test_too_many_wait(service: SegmentationService, obedient: Told, phantom_case: Case) -> None:
    begun(service, obedient, phantom_case)
    waiting = [service.submit(phantom_case, "obedient") for _ in range(5)]
    with pytest.raises(QueueFull):
        service.submit(phantom_case, "obedient")
    service.cancel(waiting[0].id)
    assert waiting[0].state == "cancelled"
    service.submit(phantom_case, "obedient")


def test_one_that_runs_is_cancelled_between_its_steps(
    service: SegmentationService, obedient: Told, phantom_case: Case, tmp_path: Path
) -> None:
    job = begun(service, obedient, phantom_case)
    service.cancel(job.id)
    assert job.state == "running"
    obedient.may_go_on.set()
    assert job.wait(20)["state"] == "cancelled"
    assert obedient.steps == 1
    with pytest.raises(NotDone, match="cancelled"):
        job.result()
    assert service.submit(phantom_case, "obedient").wait(20)["state"] == "done"
    assert not list(tmp_path.glob(f"kept/*/{job.id}"))


def test_one_that_is_done_is_forgotten(
    service: SegmentationService, phantom_case: Case, tmp_path: Path
) -> None:
    job = service.submit(phantom_case, "obedient")
    job.wait(20)
    result = job.result()
    assert list(tmp_path.glob("kept/*/*/*.npy"))
    service.cancel(job.id)
    assert not list(tmp_path.glob("kept/*/*"))
    with pytest.raises(JobGone):
        service.job(job.id)
    with pytest.raises(JobGone):
        job.result({"WT": 0.123}).as_dict()
    for make in (result.overlay_file, result.probabilities_file, result.reported_case):
        with pytest.raises(JobGone):
            make()
    assert not list(tmp_path.glob("kept/*/*"))


def test_a_user_error_ends_the_job_in_the_words_of_the_upload(
    service: SegmentationService, obedient: Told, phantom_case: Case
) -> None:
    def fail(case: Case) -> None:
        raise DataError("no brain", where=case.images["t1ce"], got="zeros", expected="a brain")

    obedient.does = fail
    plain = service.submit(phantom_case, "obedient")
    told = service.submit(
        phantom_case, "obedient", explain=lambda error: DataError(error.what, where="a.nii")
    )
    assert plain.wait(20)["error"] == {
        "what": "no brain",
        "where": phantom_case.images["t1ce"].name,
        "got": "zeros",
        "expected": "a brain",
        "remedy": None,
    }
    error = told.wait(20)["error"]
    assert told.state == "failed"
    assert error is not None
    assert error["where"] == "a.nii"


@pytest.mark.parametrize("kind", [ZeroDivisionError, SystemExit, KeyError])
def test_a_defect_is_logged_and_the_next_job_computed(
    service: SegmentationService,
    obedient: Told,
    phantom_case: Case,
    caplog: pytest.LogCaptureFixture,
    kind: type[BaseException],
) -> None:
    def fail(case: Case) -> None:
        raise kind("secret")

    obedient.does = fail
    with caplog.at_level(logging.ERROR, logger="brats3d"):
        failed = service.submit(phantom_case, "obedient").wait(20)
    assert failed["state"] == "failed"
    assert "secret" not in str(failed["error"])
    (record,) = caplog.records
    short = str(failed["error"]["where"]).removeprefix("job ")  # type: ignore[index]
    assert short in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is kind
    obedient.does = lambda case: None
    assert service.submit(phantom_case, "obedient").wait(20)["state"] == "done"


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 1 GiB")], ids=["host", "gpu"]
)
def test_memory_that_runs_out_is_said_so(
    service: SegmentationService, obedient: Told, phantom_case: Case, error: Exception
) -> None:
    def fail(case: Case) -> None:
        raise error

    obedient.does = fail
    said = service.submit(phantom_case, "obedient").wait(20)["error"]
    assert said is not None
    assert "memory ran out" in str(said["what"])
    assert said["remedy"]


def test_an_explanation_that_fails_costs_no_thread(
    service: SegmentationService, obedient: Told, phantom_case: Case
) -> None:
    def fail(case: Case) -> None:
        raise DataError("no brain")

    def explain(error: Exception) -> Any:
        raise KeyError("gone")

    obedient.does = fail
    assert service.submit(phantom_case, "obedient", explain=explain).wait(20)["state"] == "failed"
    obedient.does = lambda case: None
    assert service.submit(phantom_case, "obedient").wait(20)["state"] == "done"


def test_events_tell_everything_once_and_end(
    service: SegmentationService, obedient: Told, phantom_case: Case
) -> None:
    async def follow() -> list[Any]:
        first = begun(service, obedient, phantom_case)
        second = service.submit(phantom_case, "obedient")

        async def collect(job: Job) -> list[Any]:
            return [snapshot async for snapshot in job.events()]

        both = asyncio.gather(collect(first), collect(second))
        await asyncio.sleep(0.05)
        obedient.may_go_on.set()
        return await asyncio.wait_for(both, 20)

    ran, waited = asyncio.run(follow())
    assert ran[0]["stage"] == "segmenting"
    assert waited[0]["position"] == 1
    for snapshots in (ran, waited):
        assert snapshots[-1]["state"] == "done"
        assert all(before != after for before, after in itertools.pairwise(snapshots))
        fractions = [one["fraction"] for one in snapshots if one["fraction"] is not None]
        assert fractions == sorted(fractions)


def test_who_stops_following_is_not_called_again(
    service: SegmentationService, obedient: Told, phantom_case: Case
) -> None:
    async def leave() -> Job:
        job = begun(service, obedient, phantom_case)
        events = job.events()
        await anext(events)
        await events.aclose()  # type: ignore[attr-defined]
        return job

    job = asyncio.run(leave())
    obedient.may_go_on.set()
    assert job.wait(20)["state"] == "done"


def test_a_listener_hears_of_news_until_it_does_not_want_to(
    service: SegmentationService, obedient: Told, phantom_case: Case
) -> None:
    job = begun(service, obedient, phantom_case)
    heard: list[str] = []
    job.subscribe(lambda: heard.append("first"))
    job.subscribe(lambda: heard.append("second"))()
    obedient.may_go_on.set()
    job.wait(20)
    until(lambda: len(heard) >= 6)  # four steps, a stage, the end
    assert set(heard) == {"first"}


def test_a_listener_that_fails_ends_nothing(
    service: SegmentationService, obedient: Told, phantom_case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    job = begun(service, obedient, phantom_case)
    job.subscribe(lambda: {}["nothing"])
    obedient.may_go_on.set()
    assert job.wait(20)["state"] == "done"
    assert f"job {job.short_id}: a listener failed" in caplog.text
    assert job.id not in caplog.text


def test_what_nobody_asks_for_is_deleted(
    service: SegmentationService, obedient: Told, phantom_case: Case, tmp_path: Path, clock: Clock
) -> None:
    asked, not_asked = (service.submit(phantom_case, "obedient") for _ in range(2))
    not_asked.wait(20)
    running = begun(service, obedient, phantom_case)
    clock.now = 50.0
    service.job(asked.id)
    clock.now = 70.0
    service.expire()
    assert service.job(asked.id) is asked
    assert service.job(running.id) is running
    with pytest.raises(JobGone):
        service.job(not_asked.id)
    assert not list(tmp_path.glob(f"kept/*/{not_asked.id}"))


def test_an_upload_takes_its_jobs_along(
    service: SegmentationService, obedient: Told, phantom_case: Case, tmp_path: Path
) -> None:
    done = service.submit(phantom_case, "obedient", upload_id="a")
    done.wait(20)
    other = service.submit(phantom_case, "obedient", upload_id="b")
    other.wait(20)
    running = begun(service, obedient, phantom_case, upload_id="a")
    waiting = service.submit(phantom_case, "obedient", upload_id="a")
    service.forget_upload("a")
    assert waiting.state == "cancelled"
    obedient.may_go_on.set()
    assert running.wait(20)["state"] == "cancelled"
    for job in (done, running, waiting):
        with pytest.raises(JobGone):
            service.job(job.id)
    until(lambda: [folder.name for folder in tmp_path.glob("kept/*/*")] == [other.id])


def test_several_models_see_one_upload(service: SegmentationService, phantom_case: Case) -> None:
    jobs = [service.submit(phantom_case, name, upload_id="a") for name in ("obedient", "other")]
    for job in jobs:
        job.wait(20)
    assert [job.result().outcome.model.id for job in jobs] == ["obedient", "other"]
    assert jobs[0].result({"WT": 0.9}).as_dict() != jobs[1].result().as_dict()


def test_many_at_once_lose_nothing(obedient: Told, phantom_case: Case, tmp_path: Path) -> None:
    jobs: list[Job] = []
    with SegmentationService([obedient.offered()], tmp_path / "kept") as service:

        def use(number: int) -> None:
            for _ in range(3):
                jobs.append(service.submit(phantom_case, "obedient", upload_id=str(number)))
                jobs[-1].wait(60)

        users = [threading.Thread(target=use, args=(number,)) for number in range(8)]
        for user in users:
            user.start()
        for user in users:
            user.join()
        assert [job.state for job in jobs] == ["done"] * 24
        assert len({job.id for job in jobs}) == 24


def test_closing_ends_everything(obedient: Told, phantom_case: Case, tmp_path: Path) -> None:
    service = SegmentationService([obedient.offered()], tmp_path / "kept")
    done = service.submit(phantom_case, "obedient")
    done.wait(20)
    running = begun(service, obedient, phantom_case)
    waiting = service.submit(phantom_case, "obedient")
    closing = threading.Thread(target=service.close)
    closing.start()
    until(lambda: waiting.state == "cancelled")
    obedient.may_go_on.set()
    closing.join(20)
    assert running.state == "cancelled"
    assert not list((tmp_path / "kept").iterdir())
    with pytest.raises(ConfigError, match="closed"):
        service.submit(phantom_case, "obedient")
    with pytest.raises(JobGone):
        done.result().overlay_file()


def test_what_cannot_be_segmented_does_not_wait(service: SegmentationService, phantom_case: Case) -> None:
    with pytest.raises(ConfigError, match="did you mean 'obedient'"):
        service.submit(phantom_case, "obediant")
    with pytest.raises(DataError, match="case without t1ce"):
        service.submit(replace(phantom_case, images={"t1": Path("a.nii")}), "obedient")


def test_models_need_ids_of_their_own(obedient: Told) -> None:
    for models in ([], [obedient.offered(), obedient.offered()]):
        with pytest.raises(ConfigError, match="models that cannot be offered"):
            SegmentationService(models)
