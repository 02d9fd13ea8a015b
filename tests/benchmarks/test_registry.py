"""``brats3d benchmark NAME``: what can be asked for, and what cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from brats3d.__main__ import main
from brats3d.benchmarks.registry import BENCHMARKS, run_benchmark
from brats3d.config import BenchmarkConfig
from brats3d.errors import ConfigError, OutputError


def test_a_misspelt_name_gets_the_closest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'metrics'") as caught:
        run_benchmark(BenchmarkConfig("metric"))
    assert caught.value.where == "name"


def test_without_a_name_all_are_listed() -> None:
    with pytest.raises(ConfigError) as caught:
        run_benchmark(BenchmarkConfig())
    assert all(name in str(caught.value.expected) for name in BENCHMARKS)


def test_nothing_to_measure() -> None:
    with pytest.raises(ConfigError) as caught:
        run_benchmark(BenchmarkConfig("metrics", repeats=0))
    assert caught.value.where == "repeats"


def test_a_report_is_not_replaced_unasked(tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    output.write_text("kept", encoding="utf-8")
    with pytest.raises(OutputError, match="--overwrite"):
        run_benchmark(BenchmarkConfig("metrics", output=str(output)))
    assert output.read_text(encoding="utf-8") == "kept"


def test_at_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "metrix"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "did you mean 'metrics'" in shown.err


def test_the_registry_loads_no_torch() -> None:
    statements = "import sys, brats3d.benchmarks.registry; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", statements], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
