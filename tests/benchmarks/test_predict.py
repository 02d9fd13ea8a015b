"""``brats3d benchmark predict`` on a tiny phantom: what is compared, not how fast it is."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from brats3d.__main__ import main
from brats3d.benchmarks.predict import benchmark_predict
from brats3d.benchmarks.predicting.worker import CONTENDERS
from brats3d.config import BenchmarkConfig
from brats3d.data.phantom import write_phantoms
from brats3d.errors import ConfigError, RunError

SIZE = (36, 40, 32)
SMALL = [name for name in CONTENDERS if name != "monai-whole"]  # its window is that of a whole head


def test_all_contenders_segment_the_same_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "report.json"
    size = "[" + ",".join(map(str, SIZE)) + "]"
    arguments = ["--repeats", "1", "--size", size, "--contenders", ",".join(SMALL), "--output", str(output)]
    assert main(["benchmark", "predict", *arguments]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("phantom 36x40x32", "random weights", *SMALL))
    (section,) = json.loads(output.read_text(encoding="utf-8"))["sections"]
    assert [own["contender"] for own in section["measurements"]] == SMALL
    for own in section["measurements"]:
        assert own["wall_ms"][0] > 0
        assert sum(own["scores"]["voxels"].values()) == math.prod(SIZE)
    counted = {own["contender"]: own["scores"]["voxels"] for own in section["measurements"]}
    assert set(counted["monai"]) <= {"0", "1", "2", "4"}


def test_cases_that_cannot_be_measured(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "two", cases=2, size=(32, 32, 32))
    with pytest.raises(ConfigError, match="one case at a time"):
        benchmark_predict(BenchmarkConfig("predict", data=(str(tmp_path / "two"),)))
    with pytest.raises(ConfigError, match="one case at a time"):
        benchmark_predict(BenchmarkConfig("predict", data=("a", "b")))


def test_contenders_and_runs_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'monai'"):
        benchmark_predict(BenchmarkConfig("predict", contenders=("monay",)))
    with pytest.raises(RunError):
        benchmark_predict(BenchmarkConfig("predict", run=str(tmp_path / "none")))
