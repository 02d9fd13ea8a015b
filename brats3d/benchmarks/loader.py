"""Loaders of training patches side by side: brats3d and MONAI, on one core each."""

from __future__ import annotations

import contextlib
import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from brats3d.benchmarks.loading import worker
from brats3d.benchmarks.machine import this_machine
from brats3d.benchmarks.processes import contender_process
from brats3d.benchmarks.report import Measurement, Report, Section
from brats3d.benchmarks.turns import measure_in_turns
from brats3d.config import BenchmarkConfig
from brats3d.errors import ConfigError
from brats3d.registry import look_up

_PHANTOMS = 2


def benchmark_loader(config: BenchmarkConfig) -> Report:
    """Measure how long each loader takes for one augmented patch, in a process of one thread.

    The first patch, and what is done once for each case, is not measured but told in a note.

    Raises:
        ConfigError: An unknown contender, or more than one data set.
        LayoutError: There is no data set where the configuration says.
        DataError: A case without a modality or a label map.
    """
    names = config.contenders or tuple(worker.CONTENDERS)
    for name in names:
        look_up(worker.CONTENDERS, name, "contenders")
    machine = this_machine()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        root, title = _data(config, Path(folder) / "phantoms")
        job = worker.Job(str(root), str(Path(folder) / "store"), config.patch)
        job.cases()  # a data set that cannot be used is told before anything is measured
        file = Path(folder) / "job.json"
        file.write_text(json.dumps(asdict(job)), encoding="utf-8")
        ready = [
            stack.enter_context(
                contender_process(name, None, file, worker.__file__, threads=config.threads or 1)
            )
            for name in names
        ]
        measured = measure_in_turns(ready, worker.CONTENDERS, config.repeats, title)
    notes = (_per_second(measured), _beforehand(measured))
    return Report("loader", machine, asdict(config), (Section(title, measured, notes),))


def _data(config: BenchmarkConfig, folder: Path) -> tuple[Path, str]:
    """Data set to measure on, made up unless one is given, and what the report calls it."""
    from brats3d.data.discovery import discover
    from brats3d.data.phantom import write_phantoms

    if len(config.data) > 1:
        raise ConfigError(
            "one data set at a time", where="data", got=", ".join(config.data), expected="a folder"
        )
    patch = "x".join(map(str, config.patch))
    if config.data:
        root = Path(config.data[0]).resolve()
        return root, f"patches of 4x{patch}, {len(discover(root).cases)} cases"
    write_phantoms(folder, cases=_PHANTOMS, size=config.size)
    return folder, f"patches of 4x{patch}, {_PHANTOMS} phantoms of {'x'.join(map(str, config.size))}"


def _per_second(measured: Sequence[Measurement]) -> str:
    rates = [f"{own.contender} {1000 / statistics.median(own.cpu_ms):.2f}" for own in measured]
    return f"patches per second of one core, by its processor time: {', '.join(rates)}"


def _beforehand(measured: Sequence[Measurement]) -> str:
    seconds = [f"{own.contender} {own.scores['beforehand']['seconds_per_case']:.1f} s" for own in measured]
    return f"once for each case beforehand (little where another contender did it): {', '.join(seconds)}"
