"""Queue, events and cancelling, for several users at once."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from brats3d.viewer.http.events import progress_events


def events_of(running, job: str) -> Iterator[dict]:
    with running.client.stream("GET", f"/api/jobs/{job}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                assert name == "progress"
                yield json.loads(line.removeprefix("data: "))


@pytest.fixture
def held(server):
    """A server whose model waits for leave to go on."""
    server.model.may_go_on.clear()
    yield server
    server.model.may_go_on.set()


def test_events_tell_the_way_from_the_queue_to_the_end(held) -> None:
    first, second = held.segment(held.case()), held.segment(held.case())
    seen = []
    for event in events_of(held, second):
        seen.append(event)
        held.model.may_go_on.set()
    states = [event["state"] for event in seen]
    assert states[0] == "queued"
    assert seen[0]["position"] == 1
    assert states[-1] == "done"
    order = ["queued", "running", "done"]
    assert states == sorted(states, key=order.index)
    fractions = [event["fraction"] for event in seen if event["fraction"] is not None]
    assert fractions == sorted(fractions)
    assert seen[-1]["fraction"] == 1
    assert [event["state"] for event in events_of(held, first)] == ["done"], "of one that has ended, the end"


def test_a_cancelled_job_ends_and_the_next_begins(held) -> None:
    running, waiting, last = (held.segment(held.case()) for _ in range(3))
    assert held.client.delete(f"/api/jobs/{waiting}").status_code == 204
    assert held.client.get(f"/api/jobs/{waiting}").json()["state"] == "cancelled"
    assert held.client.delete(f"/api/jobs/{running}").status_code == 204
    held.model.may_go_on.set()
    assert held.service.job(running).wait(20)["state"] == "cancelled"
    assert held.service.job(last).wait(20)["state"] == "done"
    assert held.client.get(f"/api/jobs/{running}/result").status_code == 409


def test_a_visitor_who_leaves_ends_nothing(held) -> None:
    job = held.segment(held.case())
    for event in events_of(held, job):
        assert event["state"] in ("queued", "running")
        break
    held.model.may_go_on.set()
    final = held.service.job(job).wait(20)
    assert final["state"] == "done"


def test_other_requests_are_answered_while_a_model_computes(held) -> None:
    held.segment(held.case())
    assert held.client.get("/api/health", timeout=5).status_code == 200
    assert held.client.get("/api/models", timeout=5).status_code == 200


def test_several_users_share_a_model_and_see_only_what_is_theirs(server, make_nifti) -> None:
    found: dict[int, int] = {}

    def use(user: int) -> None:
        upload = server.new_upload()
        for modality in ("t1", "t1ce", "t2", "flair"):
            voxels = np.full((12, 14, 10), 50, dtype=np.int16)
            voxels[: user + 1, 0, 0] = 180
            server.send(upload, f"{modality}.nii.gz", make_nifti(voxels))
        job = server.segmented(upload)
        numbers = server.client.get(f"/api/jobs/{job}/result").json()
        found[user] = numbers["regions"][2]["voxels"]

    users = [threading.Thread(target=use, args=(user,)) for user in range(6)]
    for user in users:
        user.start()
    for user in users:
        user.join(30)
    assert found == {user: user + 1 for user in range(6)}


def expire_late(running, upload: str) -> None:
    """Let the time of an upload be over."""
    running.uploads.get(upload)._touched -= 10_000
    running.uploads.expire()


def test_an_upload_is_kept_while_its_segmentation_waits(held) -> None:
    upload = held.case()
    job = held.segment(upload)
    expire_late(held, upload)
    held.model.may_go_on.set()
    assert held.service.job(job).wait(20)["state"] == "done"
    assert held.client.get(f"/api/jobs/{job}/report.html").status_code == 200


def test_an_upload_is_kept_from_the_moment_its_segmentation_is_asked_for(held, monkeypatch) -> None:
    upload, submit = held.case(), held.service.submit

    def submit_late(*args, **kwargs):
        job = submit(*args, **kwargs)
        expire_late(held, upload)
        return job

    monkeypatch.setattr(held.service, "submit", submit_late)
    job = held.segment(upload)
    held.model.may_go_on.set()
    assert held.service.job(job).wait(20)["state"] == "done"


def test_an_upload_expires_after_its_segmentation(held) -> None:
    upload = held.case()
    job = held.segment(upload)
    late = held.uploads.get(upload)
    held.model.may_go_on.set()
    held.service.job(job).wait(20)
    for _ in range(200):  # the server hears of the end a moment later
        late._touched -= 10_000
        held.uploads.expire()
        if upload not in held.uploads._uploads:
            break
        time.sleep(0.05)
    assert held.client.get(f"/api/uploads/{upload}").status_code == 404


class QuietJob:
    """Says something once, and then nothing."""

    ended = False

    async def events(self):
        try:
            yield {"state": "queued"}
            await asyncio.sleep(60)
        finally:
            self.ended = True


def test_a_heartbeat_keeps_a_quiet_connection_and_the_end_of_the_server_ends_it() -> None:
    job = QuietJob()

    async def follow() -> list[bytes]:
        ending, seen = asyncio.Event(), []
        async for part in progress_events(job, ending, heartbeat_seconds=0.01):
            seen.append(part)
            if len(seen) == 3:
                ending.set()
        return seen

    first, *others = asyncio.run(asyncio.wait_for(follow(), 10))
    assert first.startswith(b"event: progress\ndata: {")
    assert set(others) == {b": still here\n\n"}
    assert job.ended, "nobody listens any more"


def test_a_job_is_not_heard_after_its_listener_has_left() -> None:
    job = QuietJob()

    async def leave() -> None:
        events = progress_events(job, asyncio.Event())
        await anext(events)
        await events.aclose()

    asyncio.run(asyncio.wait_for(leave(), 10))
    assert job.ended
