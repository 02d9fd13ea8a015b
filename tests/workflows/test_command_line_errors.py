"""Errors at the command line: exit code 2, a message, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from brats3d.__main__ import main

Check = Callable[..., None]
CASE = "BraTS2021_00001"


class Said(NamedTuple):
    """What a verb printed."""

    out: str
    err: str


def assert_told(code: int, said: Said, *parts: str) -> None:
    assert code == 2, said.err
    assert "Traceback" not in said.err + said.out
    for part in ("brats3d: error: ", *parts):
        assert part in said.err


def test_an_unknown_key_at_the_command_line(tmp_path: Path) -> None:
    """In a process of its own, as a shell has it."""
    done = subprocess.run(
        [sys.executable, "-m", "brats3d.fit", "--trainer.max_epoch=3"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    told = "trainer.max_epoch", "did you mean 'trainer.max_epochs'"
    assert_told(done.returncode, Said(done.stdout, done.stderr), *told)
    assert list(tmp_path.iterdir()) == []


def test_a_torn_file_at_the_command_line(
    copied_set: Path,
    tmp_path: Path,
    check_clean: Check,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    torn = copied_set / CASE / f"{CASE}_t1ce.nii.gz"
    torn.write_bytes(torn.read_bytes()[:-3000])
    monkeypatch.chdir(tmp_path)
    code = main(["fit", f"--data.root={copied_set}", "--split.val=1", "--split.test=1", "--name=torn"])
    assert_told(code, capfd.readouterr(), "cannot read the file", f"{CASE}_t1ce.nii.gz")
    check_clean(tmp_path / "runs")


def test_a_run_that_is_none_at_the_command_line(
    phantom_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = main(["predict", f"--run={phantom_set}", f"--input={phantom_set}"])
    assert_told(code, capfd.readouterr(), "not a run", "brats3d fit")
    assert list(tmp_path.iterdir()) == []
