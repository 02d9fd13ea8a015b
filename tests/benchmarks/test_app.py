"""``brats3d benchmark app``: that every user's cases are segmented, and every request counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from brats3d.__main__ import main
from brats3d.benchmarks.visitor import Visitor


@pytest.mark.slow  # torch is imported twice
def test_every_case_of_every_user_is_segmented(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "found.json"
    words = [
        "--users",
        "2",
        "--cases",
        "2",
        "--size",
        "[32,32,32]",
        "--threads",
        "1",
        "--output",
        str(output),
    ]
    assert main(["benchmark", "app", *words]) == 0
    (section,) = json.loads(output.read_text(encoding="utf-8"))["sections"]
    times = {own["contender"]: own["wall_ms"] for own in section["measurements"]}
    assert len(times["send a file"]) == 2 * 2 * 4
    assert len(times["get volumes"]) == 2 * 2
    assert "4 segmentations asked for, 4 done, 0 lost" in section["notes"][0]
    assert "95th percentile" in capsys.readouterr().out


def test_nobody_cannot_be_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "app", "--users", "0"]) == 2
    assert "users" in capsys.readouterr().err


def test_a_server_that_is_not_there_is_a_problem_and_no_result() -> None:
    visitor = Visitor("127.0.0.1:1")
    visitor.segment({}, "any")
    assert visitor.done == 0
    assert len(visitor.problems) == 1
