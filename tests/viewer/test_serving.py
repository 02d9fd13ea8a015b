"""The server as a program of its own: how it begins, what it prints, how it ends."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import nibabel
import numpy as np
import psutil
import pytest

from brats3d.app import main
from brats3d.config import AppConfig
from brats3d.errors import ConfigError, MissingExtraError
from brats3d.viewer import serving

PROGRAM = """
import sys
from contextlib import nullcontext
from types import SimpleNamespace

from brats3d.labels import CONVENTIONS
from brats3d.postprocessing import Postprocessing
from brats3d.viewer.offered_model import OfferedModel
from brats3d.viewer.rules import PostprocessingRules

convention = CONVENTIONS["brats2023"]
rules = PostprocessingRules(Postprocessing(), convention)
model = OfferedModel("none", "none", "classical", 3, ("t1",), convention, rules, nullcontext)
sys.modules["brats3d.viewer.offering"] = SimpleNamespace(offered_models=lambda config: [model])

from brats3d.app import main

raise SystemExit(main(sys.argv[1:]))
"""
"""``brats3d app`` with a model that nobody asks for, since what a model needs takes seconds to import."""

USERS = 100
SHAPE = (128, 128, 96)
"""Of voxels of two bytes: 3 MiB of each user."""


@dataclass
class App:
    """``brats3d app`` that runs.

    Attributes:
        process: Its process.
        url: What it printed.
        folder: Where uploads are.
    """

    process: subprocess.Popen[str]
    url: str
    folder: Path


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A server in a process of its own; the last test ends it."""
    folder = tmp_path_factory.mktemp("app") / "uploads"
    options = ["--port", "0", "--folder", str(folder), "--uploads", str(USERS + 1)]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        printed = (re.search(r"http://\S+", line) for line in process.stdout)
        url = next(found[0] for found in printed if found)
        yield App(process, url.rstrip("/"), folder)
    finally:
        process.kill()
        process.communicate()


def a_volume() -> bytes:
    """A NIfTI file that does not compress."""
    voxels = np.random.default_rng(0).integers(0, 30000, SHAPE, dtype=np.int16)
    file = io.BytesIO()
    holder = nibabel.FileHolder(fileobj=file)
    nibabel.Nifti1Image(voxels, np.eye(4)).to_file_map({"header": holder, "image": holder})
    return file.getvalue()


async def send_all(url: str, content: bytes, users: int = USERS) -> list[int]:
    """Send the file for many users, whose connections are all open until the last has begun."""
    begun, all_begun = 0, asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal begun
        yield content[:100_000]
        begun += 1
        if begun == users:
            all_begun.set()
        await all_begun.wait()
        for start in range(100_000, len(content), 100_000):
            yield content[start : start + 100_000]

    async def send() -> int:
        upload = (await client.post(f"{url}/api/uploads")).json()["id"]
        answer = await client.put(f"{url}/api/uploads/{upload}/files/t1.nii", content=pieces())
        return answer.status_code

    limits = httpx.Limits(max_connections=2 * USERS)
    async with httpx.AsyncClient(limits=limits, timeout=120) as client:
        return await asyncio.gather(*(send() for _ in range(users)))


def test_a_hundred_uploads_at_once_succeed_and_memory_stays_flat(app: App) -> None:
    content, server = a_volume(), psutil.Process(app.process.pid)
    assert asyncio.run(send_all(app.url, content, users=1)) == [200]  # what is needed is imported
    before, peak, done = server.memory_info().rss, 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, server.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        statuses = asyncio.run(send_all(app.url, content))
    finally:
        done.set()
        watcher.join()
    assert statuses == [200] * USERS
    assert peak - before < USERS * len(content) / 2
    assert httpx.post(f"{app.url}/api/uploads").status_code == 429, "as many as there may be"
    assert httpx.get(f"{app.url}/api/health").status_code == 200


def test_it_ends_on_sigterm_with_nothing_left(app: App) -> None:
    assert list(app.folder.iterdir())
    with socket.create_connection(("127.0.0.1", httpx.URL(app.url).port or 0)):
        app.process.send_signal(signal.SIGTERM)
        assert app.process.wait(60) == 0
    assert list(app.folder.iterdir()) == []


def test_a_port_in_use_is_a_users_error(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--classical", "fuzzy_kmeans.yaml", "--port", str(port)]) == 2
    error = capsys.readouterr().err
    assert "choose another --port" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "setting",
    [
        {"token": "short"},
        {"keep_minutes": 0.0},
        {"keep_minutes": float("nan")},
        {"uploads": 0},
        {"queue": -1},
        {"upload_mib": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(setting: dict[str, object]) -> None:
    (key,) = setting
    with pytest.raises(ConfigError) as caught:
        serving.serve(AppConfig(port=0, **setting))  # type: ignore[arg-type]
    assert caught.value.where == key


@pytest.mark.parametrize("package", ["fastapi", "uvicorn"])
def test_without_the_extra_it_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"brats3d\[app\]"):
        serving.serve(AppConfig(port=0))


def test_other_machines_need_a_token_and_this_one_does_not() -> None:
    with socket.create_server(("0.0.0.0", 0)) as public, socket.create_server(("127.0.0.1", 0)) as private:
        first, second = (serving.security_of(AppConfig(), public).token for _ in range(2))
        assert first is not None
        assert len(first) >= 32
        assert first != second
        own = "a token of some length"
        assert serving.security_of(AppConfig(token=own), public).token == own
        assert serving.security_of(AppConfig(), private).token is None
        assert serving.security_of(AppConfig(token=own), private).token == own


def test_the_address_is_told_when_the_server_answers(tmp_path: Path) -> None:
    told: list[str] = []
    answers: list[int] = []

    def announce(message: str) -> None:
        told.append(message)
        threading.Thread(target=ask, args=(message,)).start()

    def ask(message: str) -> None:
        url = re.search(r"http://\S+", message)
        assert url is not None
        with httpx.Client(follow_redirects=True) as browser:
            answers.append(browser.get(url[0]).status_code)
            answers.append(browser.get(httpx.URL(url[0]).join("/api/uploads/of_another_run")).status_code)
        signal.raise_signal(signal.SIGINT)

    token = "a token / of some & length"
    config = AppConfig(classical=("fuzzy_kmeans.yaml",), port=0, folder=str(tmp_path), token=token)
    serving.serve(config, announce)
    assert len(told) == 1
    assert answers == [200, 404]
    assert list(tmp_path.iterdir()) == []


def test_help_needs_neither_torch_nor_fastapi() -> None:
    program = (
        "import sys\nfrom brats3d.app import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print({'torch', 'fastapi', 'uvicorn', 'monai', 'numpy'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "--keep_minutes" in shown
    assert shown.splitlines()[-1] == "set()"
