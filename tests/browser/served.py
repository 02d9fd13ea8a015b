"""The web server in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from selenium.common.exceptions import TimeoutException
from selenium.webdriver.support.ui import WebDriverWait

EXAMPLE = Path(__file__).parents[2] / "bundles" / "brats3d_phantoms"
_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        address: Such as http://127.0.0.1:8000, without the token.
        log: What it has printed.
    """

    address: str
    log: Path


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[Server]:
    """Start ``brats3d app`` on any port; ended with all it started, whatever happens."""
    log = folder / "printed.txt"
    command = [sys.executable, "-m", "brats3d.app", "--port", "0", "--accelerator", "cpu", *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True
        )
    try:
        yield Server(_address(process, log), log)
        assert process.poll() is None, f"the server has ended:\n{log.read_text()}"
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            _end_all(process.pid)
            process.wait()
    assert "Traceback" not in log.read_text(), log.read_text()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    def printed(_: None) -> str | None:
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        assert found or process.poll() is None, f"no server came:\n{log.read_text()}"
        return found and found.group()

    try:
        return str(WebDriverWait(None, _PATIENCE_S, 0.1).until(printed))
    except TimeoutException:
        raise AssertionError(f"the server says nothing of an address:\n{log.read_text()}") from None


def _end_all(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
