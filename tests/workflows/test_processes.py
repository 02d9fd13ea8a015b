"""Processes that work together: errors, crashes, interruptions; none is left running."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from brats3d.errors import Brats3dError
from brats3d.workflows.processes import run_together

posix = pytest.mark.skipif(os.name != "posix", reason="no signals of POSIX on this machine")
WAITS = """
import pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
pathlib.Path(sys.argv[1]).touch()
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("brats3d: interrupted", file=sys.stderr)
    pathlib.Path(sys.argv[1]).unlink()
    raise SystemExit(130)
"""


def run(*programs: str | list[str]) -> None:
    words = [[sys.executable, "-c", *([each] if isinstance(each, str) else each)] for each in programs]
    with closing(run_together(words, [dict(os.environ)] * len(words))) as moments:
        for _ in moments:
            pass


def after(condition: Path, act: object) -> threading.Thread:
    """Do something as soon as a file is there."""

    def wait() -> None:
        latest = time.monotonic() + 30
        while not condition.exists() and time.monotonic() < latest:
            time.sleep(0.02)
        act()  # type: ignore[operator]

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    package = logging.getLogger("brats3d")
    former, package.propagate = package.propagate, True
    with caplog.at_level(logging.INFO, logger="brats3d"):
        yield caplog
    package.propagate = former


def test_all_end_well_and_what_they_say_is_logged(
    tmp_path: Path, heard: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    says = "import sys, pathlib; print('path'); print('note', sys.argv[1], file=sys.stderr);"
    makes = "pathlib.Path(sys.argv[1]).touch()"
    run(*[[says + makes, str(tmp_path / name)] for name in "ab"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert sorted(heard.messages) == [f"note {tmp_path / name}" for name in "ab"]
    assert capfd.readouterr() == ("", "")


@posix
def test_the_error_of_one_is_raised_and_the_others_are_ended(
    tmp_path: Path, heard: pytest.LogCaptureFixture
) -> None:
    there = tmp_path / "there"
    fails = """
import pathlib, sys, time
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.02)
print("a note", file=sys.stderr)
print("brats3d: error: cannot read the file\\n  where:    case 7", file=sys.stderr)
raise SystemExit(2)
"""
    with pytest.raises(Brats3dError) as caught:
        run([WAITS, str(there)], [fails, str(there)])
    assert str(caught.value) == "cannot read the file\n  where:    case 7"
    assert not there.exists(), "the other one was not interrupted"
    assert heard.messages == ["a note"]


def test_a_crash_is_no_error_of_the_user() -> None:
    with pytest.raises(RuntimeError, match=r"exit code 1(.|\n)*ZeroDivisionError") as caught:
        run("1 / 0")
    assert not isinstance(caught.value, Brats3dError)


@posix
def test_a_process_that_was_killed_has_a_remedy() -> None:
    with pytest.raises(Brats3dError, match=r"signal 9(.|\n)*--devices"):
        run("import os; os.kill(os.getpid(), 9)")


@posix
@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_an_interruption_ends_all(tmp_path: Path, number: signal.Signals, raised: type) -> None:
    there = tmp_path / "there"
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sender = after(there, lambda: os.kill(os.getpid(), number))
        with pytest.raises(raised):
            run([WAITS, str(there)])
        sender.join()
        assert not there.exists()
        assert signal.getsignal(signal.SIGTERM) == handlers[1]
    finally:
        signal.signal(signal.SIGINT, handlers[0])


def test_a_program_that_cannot_be_started_leaves_no_other_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It may be interrupted before it can hear that.
    monkeypatch.setattr("brats3d.workflows.processes._SECONDS_TO_END", 3.0)
    there = str(tmp_path / "there")
    words = [[sys.executable, "-c", WAITS, there], [str(tmp_path / "absent")]]
    with pytest.raises(FileNotFoundError), closing(run_together(words, [dict(os.environ)] * 2)) as moments:
        next(moments)
    assert not [child for child in psutil.Process().children() if there in child.cmdline()]


@posix
def test_a_process_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("brats3d.workflows.processes._SECONDS_TO_END", 0.3)
    there = tmp_path / "there"
    stubborn = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
pathlib.Path(sys.argv[1] + ".new").write_text(str(os.getpid()))
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(60)
"""
    moments = run_together([[sys.executable, "-c", stubborn, str(there)]], [dict(os.environ)])
    with closing(moments):
        while not there.exists():
            next(moments)
    with pytest.raises(ProcessLookupError):
        os.kill(int(there.read_text()), 0)
