"""What further processes gain: the same training by one and by several, each with as many threads."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import brats3d
from brats3d.benchmarks.machine import this_machine
from brats3d.benchmarks.report import Measurement, Report, Section
from brats3d.config import BenchmarkConfig, save_config
from brats3d.errors import ConfigError, RunError
from brats3d.workflows.messages import progress_over

if TYPE_CHECKING:
    from brats3d.config import FitConfig

_CASES, _STEPS = 6, 24


def benchmark_scaling(config: BenchmarkConfig) -> Report:
    """Measure how long a step of a training takes with one process and with several.

    Each process makes batches of its own, so that N of them see N times the patches per step; where
    nothing is lost a step takes as long as with one. Every measurement is a ``fit`` of some steps, in
    turn; its first step, start and end do not count.

    Raises:
        ConfigError: Numbers of processes that cannot be compared, or a recipe that cannot be trained.
        RunError: A training failed.
    """
    counts = config.processes
    if len(counts) < 2 or min(counts) < 1 or len(set(counts)) < len(counts):
        raise ConfigError(
            "nothing to compare",
            where="processes",
            got=list(counts),
            expected="two or more different whole numbers from 1, such as 1,2",
        )
    from brats3d.config import load_config
    from brats3d.data.phantom import write_phantoms

    recipe, machine, threads = load_config(config.recipe), this_machine(), config.threads or 1
    times: dict[int, list[float]] = {count: [] for count in counts}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_phantoms(folder / "cases", cases=_CASES, size=config.size)
        rounds = [count for _ in range(config.repeats) for count in counts]
        for turn, count in enumerate(progress_over(rounds, "trainings")):
            rate = _rate(_training(recipe, folder, f"turn{turn}", count), folder, threads)
            times[count].append(1000 * recipe.patch.batch_size * count / rate)
    size = "x".join(map(str, recipe.patch.size))
    section = Section(
        f"step, {recipe.patch.batch_size} patches of {size} per process",
        tuple(_measurement(count, times[count], threads) for count in counts),
    )
    notes = _efficiencies(section.measurements, counts)
    return Report("scaling", machine, asdict(config), (replace(section, notes=notes),))


def _training(recipe: FitConfig, folder: Path, name: str, processes: int) -> FitConfig:
    from brats3d.config import DataConfig, SplitConfig

    return replace(
        recipe,
        name=name,
        folder=str(folder / "runs"),
        data=DataConfig(
            root=str(folder / "cases"), modalities=recipe.data.modalities, workers=recipe.data.workers
        ),
        split=SplitConfig(val=0, test=0),
        report=False,
        patch=replace(recipe.patch, per_epoch=_STEPS * recipe.patch.batch_size * processes),
        trainer=replace(
            recipe.trainer, max_epochs=1, max_minutes=None, devices=processes, enable_progress_bar=False
        ),
    )


def _rate(config: FitConfig, folder: Path, threads: int) -> float:
    """Train in processes of its own; patches per second of all of them.

    Raises:
        RunError: The training failed.
    """
    file = folder / f"{config.name}.yaml"
    save_config(config, file)
    package = str(Path(brats3d.__file__).parents[1])
    ended = subprocess.run(
        [sys.executable, "-m", "brats3d.fit", "--config", str(file)],
        env={**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": package},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise RunError(
            "a training that was to be measured failed",
            where=f"{config.trainer.devices} processes",
            got=ended.stderr.strip()[-2000:],
        )
    metrics = Path(config.folder) / str(config.name) / "metrics.json"
    return float(json.loads(metrics.read_text(encoding="utf-8"))["patches_per_second"])


def _measurement(count: int, times: Sequence[float], threads: int) -> Measurement:
    return Measurement(
        f"{count} process{'es' if count > 1 else ''}",
        f"fit with trainer.devices {count} and {threads} thread{'s' if threads > 1 else ''} per process",
        tuple(times),
        (math.nan,) * len(times),
        math.nan,
        math.nan,
    )


def _efficiencies(measured: Sequence[Measurement], counts: Sequence[int]) -> tuple[str, ...]:
    base = measured[0].median_ms
    return tuple(
        f"{own.contender}: efficiency {base / own.median_ms:.0%} of that with {counts[0]}"
        for own in measured[1:]
    )
