from __future__ import annotations

import asyncio

import pytest

from brats3d.viewer.http.expiry import expiring
from brats3d.viewer.uploads import Limits


def test_what_is_late_goes_again_and_again_even_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> int:
        calls, often = 0, asyncio.Event()
        loop = asyncio.get_running_loop()

        def delete() -> None:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise OSError("DOE JANE")
            if calls == 3:
                loop.call_soon_threadsafe(often.set)

        async with expiring((delete,), 0.001):
            await asyncio.wait_for(often.wait(), 20)
        ended_at = calls
        await asyncio.sleep(0.02)
        return calls - ended_at

    assert asyncio.run(run()) <= 1, "the call that had begun"
    assert "OSError at test_expiry.py" in caplog.text
    assert "DOE" not in caplog.text


def test_a_server_deletes_what_nobody_asks_for(run_server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brats3d.viewer.http.application._SECONDS_BETWEEN_EXPIRIES", 0.02)
    with run_server(limits=Limits(keep_seconds=0.1)) as started:
        started.new_upload()
        for _ in range(500):
            if not len(started.uploads):
                break
            started.client.get("/api/health")
        assert len(started.uploads) == 0
