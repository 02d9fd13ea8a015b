from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from brats3d.errors import OutputError
from brats3d.viewer.workplace import workplace

HOLD = """
import sys
from brats3d.viewer.workplace import workplace
with workplace(sys.argv[1]) as folder:
    (folder / "image").write_bytes(b"a patient")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_nobody_else_may_read_the_folder_and_it_is_removed(tmp_path: Path) -> None:
    with workplace(str(tmp_path / "new")) as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "image").write_bytes(b"a patient")
    assert list((tmp_path / "new").iterdir()) == []


def test_it_is_removed_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), workplace(str(tmp_path)):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")
def test_what_a_killed_server_left_is_removed_and_what_a_running_one_has_is_not(tmp_path: Path) -> None:
    def hold() -> tuple[subprocess.Popen[str], Path]:
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert holder.stdout is not None
        return holder, Path(holder.stdout.readline().strip())

    running, kept = hold()
    killed, left = hold()
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert (left / "image").exists()
        with workplace(str(tmp_path)):
            assert not left.exists()
            assert (kept / "image").exists()
    finally:
        running.communicate()
        killed.communicate()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_a_users_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OutputError), workplace(os.fspath(file)):
        pass
