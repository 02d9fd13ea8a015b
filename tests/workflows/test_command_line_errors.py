"""Errors at the command line: exit code 2, a message, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Check = Callable[..., None]
CASE = "BraTS2021_00001"


def command(verb: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"brats3d.{verb}", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_told(finished: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert finished.returncode == 2, finished.stderr
    assert "Traceback" not in finished.stderr + finished.stdout
    for part in ("brats3d: error: ", *parts):
        assert part in finished.stderr


def test_an_unknown_key_at_the_command_line(tmp_path: Path) -> None:
    finished = command("fit", "--trainer.max_epoch=3", cwd=tmp_path)
    assert_told(finished, "trainer.max_epoch", "did you mean 'trainer.max_epochs'")
    assert list(tmp_path.iterdir()) == []


def test_a_torn_file_at_the_command_line(copied_set: Path, tmp_path: Path, check_clean: Check) -> None:
    torn = copied_set / CASE / f"{CASE}_t1ce.nii.gz"
    torn.write_bytes(torn.read_bytes()[:-3000])
    words = [f"--data.root={copied_set}", "--split.val=1", "--split.test=1", "--name=torn"]
    assert_told(command("fit", *words, cwd=tmp_path), "cannot read the file", f"{CASE}_t1ce.nii.gz")
    check_clean(tmp_path / "runs")


def test_a_run_that_is_none_at_the_command_line(phantom_set: Path, tmp_path: Path) -> None:
    finished = command("predict", f"--run={phantom_set}", f"--input={phantom_set}", cwd=tmp_path)
    assert_told(finished, "not a run", "brats3d fit")
    assert list(tmp_path.iterdir()) == []
