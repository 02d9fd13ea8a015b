"""``brats3d benchmark memory``: what is run and what is said of it, not how much it takes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from brats3d.__main__ import main
from brats3d.benchmarks.footprint.gpu import GpuPeak
from brats3d.benchmarks.footprint.worker import shortened
from brats3d.benchmarks.memory import benchmark_memory
from brats3d.config import BenchmarkConfig, load_config, recipe_folder
from brats3d.errors import ConfigError, RunError

SIZE = (32, 36, 32)
TINY = """
patch: {size: [16, 16, 16], batch_size: 1}
model: {name: dynunet, params: {filters: [2, 4]}}
trainer: {memory_gib: %s}
"""


def _report(recipe: Path, capsys: pytest.CaptureFixture[str], *contenders: str) -> tuple[dict[str, Any], str]:
    output = recipe.with_suffix(".json")
    words = ["--recipe", str(recipe), "--size", "[32,36,32]", "--output", str(output), "--threads", "1"]
    assert main(["benchmark", "memory", *words, "--contenders", ",".join(contenders)]) == 0
    return json.loads(output.read_text(encoding="utf-8")), capsys.readouterr().out


def test_training_within_and_over_what_is_stated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(TINY % 0.001, encoding="utf-8")
    report, shown = _report(recipe, capsys, "fit", "predict")
    training, prediction = report["sections"]
    assert training["title"] == f"{recipe}, training, 32x36x32"
    assert "OVER the stated 0.001 GiB" in training["notes"][0]
    assert "within the stated 4 GiB" in prediction["notes"][0]
    for section in report["sections"]:
        (measured,) = section["measurements"]
        assert 50 < measured["own_mib"] + 50 < measured["peak_mib"] < 4096
        assert measured["scores"]["gpu"] == {} or torch.cuda.is_available()
    assert "OVER" in shown


@pytest.mark.parametrize("recipe", sorted(recipe_folder().glob("*.yaml")), ids=lambda recipe: recipe.stem)
def test_a_shortened_training_keeps_what_takes_memory(recipe: Path) -> None:
    whole = load_config(recipe)
    short = shortened(whole, "phantoms", "somewhere")
    assert short.data.root == "phantoms"
    assert short.patch.per_epoch == 3 * whole.patch.batch_size
    assert short.trainer.max_epochs == 1
    assert short.trainer.max_minutes is None
    kept = ("model", "loss", "optim", "augment", "transplant", "preprocess", "inference", "slices", "seed")
    assert all(getattr(short, part) == getattr(whole, part) for part in kept)
    assert (short.patch.size, short.trainer.precision) == (whole.patch.size, whole.trainer.precision)
    assert (short.split.test == 0) == (whole.split.test == 0)


def test_a_reset_of_the_statistics_forgets_no_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {"now": 0}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: held["now"])
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 2 * held["now"])
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda *device: held.update(now=0))
    peak = GpuPeak()
    held["now"] = 3 * 2**20
    torch.cuda.reset_peak_memory_stats("cuda:0")
    held["now"] = 2**20
    assert peak.mib() == {"allocated_mib": 3, "reserved_mib": 6}


def test_what_cannot_be_measured(tmp_path: Path) -> None:
    small = BenchmarkConfig("memory", size=SIZE)
    with pytest.raises(ConfigError, match="did you mean 'fit'"):
        benchmark_memory(replace(small, contenders=("fot",)))
    with pytest.raises(ConfigError, match="a recipe and a run"):
        benchmark_memory(replace(small, recipe="quick_start.yaml", run="runs/any"))
    with pytest.raises(ConfigError, match=r"quick_start\.yaml"):
        benchmark_memory(replace(small, recipe="quick_stort.yaml"))
    with pytest.raises(RunError):
        benchmark_memory(replace(small, run=str(tmp_path)))
