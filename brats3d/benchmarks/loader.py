"""Loaders of training patches side by side: brats3d and MONAI, on one core each."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from brats3d.benchmarks.machine import this_machine
from brats3d.benchmarks.report import Measurement, Report, Section
from brats3d.benchmarks.scoring.processes import ScoringProcess, scoring_process
from brats3d.config import BenchmarkConfig
from brats3d.data.discovery import discover
from brats3d.data.phantom import write_phantoms
from brats3d.errors import ConfigError
from brats3d.registry import look_up
from brats3d.workflows.messages import progress_over

_PHANTOMS = 2
_WORKER = "brats3d.benchmarks.loading.worker"

LOADERS: Mapping[str, str] = MappingProxyType(
    {
        "brats3d": "prepared cases (cropped, normalised, compressed), then the random changes of MONAI's "
        "bundle: flips, contrast, brightness",
        "brats3d-default": "the same with all random changes that fit makes: rotation, zoom, noise, blur, "
        "gamma and low resolution, too",
        "monai": "Dataset with the transforms of MONAI's brain tumour bundle: loads, orients, normalises, crops "
        "to the foreground, crops at random, flips, contrast, brightness",
        "monai-cache": "the same with CacheDataset: what is not random is done once and kept in memory",
    }
)
"""Contender to what it does, one line."""


def benchmark_loader(config: BenchmarkConfig) -> Report:
    """Measure how long each loader takes for one augmented patch, in a process of one thread.

    The contenders take turns, so that whatever else the machine does meanwhile meets all of them. The
    first patch, and what is done once for each case, is not measured but told in a note.

    Raises:
        ConfigError: An unknown contender, or more than one data set.
        LayoutError: There is no data set where the configuration says.
        DataError: Cases that cannot be used.
    """
    names = config.contenders or tuple(LOADERS)
    for name in names:
        look_up(LOADERS, name, "contenders")
    if len(config.data) > 1:
        raise ConfigError(
            "one data set at a time", where="data", got=", ".join(config.data), expected="a folder"
        )
    machine = this_machine()
    with tempfile.TemporaryDirectory() as folder:
        root, title = _data(config, Path(folder))
        subject = Path(folder) / "subject.json"
        content = {"root": str(root), "store": str(Path(folder) / "store"), "patch": config.patch}
        subject.write_text(json.dumps(content), encoding="utf-8")
        with contextlib.ExitStack() as stack:
            running = [stack.enter_context(scoring_process(name, None, subject, _script())) for name in names]
            measured = _measure(running, title, config.repeats)
    notes = (_per_second(measured), _beforehand(measured))
    return Report("loader", machine, asdict(config), (Section(title, measured, notes),))


def _data(config: BenchmarkConfig, folder: Path) -> tuple[Path, str]:
    """Data set to measure on, and what it is called in the report."""
    patch = "x".join(map(str, config.patch))
    if config.data:
        found = discover(config.data[0])
        return Path(config.data[0]), f"patches of 4x{patch} of {len(found.cases)} cases"
    write_phantoms(folder / "phantoms", cases=_PHANTOMS, size=config.size, seed=0)
    size = "x".join(map(str, config.size))
    return folder / "phantoms", f"patches of 4x{patch} of {_PHANTOMS} phantoms of {size}"


def _script() -> Path:
    """File of the program that makes patches; it loads torch, so it is not imported here."""
    spec = importlib.util.find_spec(_WORKER)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def _measure(running: Sequence[ScoringProcess], title: str, repeats: int) -> tuple[Measurement, ...]:
    times: dict[str, list[tuple[float, float]]] = {process.name: [] for process in running}
    for _ in progress_over(range(repeats), title):
        for process in running:
            times[process.name].append(process.measure())
    return tuple(
        Measurement(
            process.name,
            LOADERS[process.name],
            tuple(wall for wall, _ in times[process.name]),
            tuple(cpu for _, cpu in times[process.name]),
            process.found["peak_mib"],
            process.found["own_mib"],
            process.found["versions"],
            process.found["scores"],
        )
        for process in running
    )


def _per_second(measured: Sequence[Measurement]) -> str:
    rates = [f"{own.contender} {1000 / statistics.median(own.cpu_ms):.2f}" for own in measured]
    return f"patches per second of one core (from its processor time): {', '.join(rates)}"


def _beforehand(measured: Sequence[Measurement]) -> str:
    seconds = [f"{own.contender} {own.scores['beforehand']['seconds_per_case']:.1f} s" for own in measured]
    return f"once for each case beforehand (0 where another contender did it): {', '.join(seconds)}"
