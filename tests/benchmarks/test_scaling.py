"""``brats3d benchmark scaling``: that trainings of one and two processes are run and compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from brats3d.__main__ import main
from brats3d.benchmarks.scaling import benchmark_scaling
from brats3d.config import BenchmarkConfig
from brats3d.errors import RunError

TINY = """
patch: {size: [16, 16, 16], batch_size: 1}
model: {params: {filters: [2, 4]}}
optim: {lr: %s}
trainer: {precision: 32-true}
"""


def test_one_and_two_processes_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, output = tmp_path / "recipe.yaml", tmp_path / "found.json"
    recipe.write_text(TINY % 0.001, encoding="utf-8")
    words = ["--recipe", str(recipe), "--size", "[32,32,32]", "--output", str(output), "--repeats", "1"]
    assert main(["benchmark", "scaling", *words]) == 0
    (section,) = json.loads(output.read_text(encoding="utf-8"))["sections"]
    one, two = section["measurements"]
    assert (one["contender"], two["contender"]) == ("1 process", "2 processes")
    assert all(len(own["wall_ms"]) == 1 and own["wall_ms"][0] > 0 for own in (one, two))
    expected = f"2 processes: efficiency {one['median_ms'] / two['median_ms']:.0%} of that with 1"
    assert section["notes"] == [expected]
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize("processes", ["1", "2,2", "0,2"])
def test_numbers_that_cannot_be_compared(processes: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "scaling", "--processes", processes]) == 2
    assert "processes" in capsys.readouterr().err


def test_a_training_that_fails_is_told(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(TINY % 1e30, encoding="utf-8")
    config = BenchmarkConfig(name="scaling", recipe=str(recipe), size=(32, 32, 32), repeats=1)
    with pytest.raises(RunError, match="failed") as caught:
        benchmark_scaling(config)
    assert "diverged" in str(caught.value)
