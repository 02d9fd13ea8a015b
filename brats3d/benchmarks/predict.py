"""Prediction from files to file: brats3d beside the steps of MONAI's bundle, with the same network."""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from brats3d.benchmarks.machine import this_machine, threads_of
from brats3d.benchmarks.predicting import worker
from brats3d.benchmarks.processes import contender_process
from brats3d.benchmarks.report import Report, Section
from brats3d.benchmarks.turns import measure_in_turns
from brats3d.config import BenchmarkConfig
from brats3d.errors import ConfigError
from brats3d.registry import look_up


def benchmark_predict(config: BenchmarkConfig) -> Report:
    """Measure every contender on one case, each in a process of its own.

    The network is loaded beforehand; reading, preparing, predicting and writing are measured.

    Raises:
        ConfigError: An unknown contender, more than one case, or a run that is not comparable.
        RunError: A run that cannot be read.
        DataError: A case that cannot be read.
    """
    names = config.contenders or tuple(worker.CONTENDERS)
    for name in names:
        look_up(worker.CONTENDERS, name, "contenders")
    _check_run(config.run)
    machine = this_machine()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        case, title = _case(config, Path(folder) / "data")
        ready = []
        for name in names:
            job = Path(folder) / f"{name}.json"
            chosen = worker.Job(str(case), config.run, str(Path(folder) / name))
            job.write_text(json.dumps(asdict(chosen)), encoding="utf-8")
            ready.append(
                stack.enter_context(
                    contender_process(name, None, job, worker.__file__, threads=threads_of(config.threads))
                )
            )
        measured = measure_in_turns(ready, worker.CONTENDERS, config.repeats, title)
    weights = "the weights of the run" if config.run else "the quick start's network, random weights"
    return Report("predict", machine, asdict(config), (Section(title, measured, (weights,)),))


def _check_run(run: str | None) -> None:
    from brats3d.workflows.runs import RunFolder

    if run is None:
        return
    config = RunFolder.open(run).config()
    if config.model.spatial_dims != 3 or config.model.head != "sigmoid" or config.data.regions:
        raise ConfigError(
            "a run that MONAI's bundle has no counterpart of",
            where="run",
            got=f"{config.model.spatial_dims}-D, {config.model.head}",
            expected="a 3-D network with a sigmoid channel for each of ET, TC and WT",
        )


def _case(config: BenchmarkConfig, folder: Path) -> tuple[Path, str]:
    """Folder and title of the case that is measured on, made up unless one is given."""
    from brats3d import assembly
    from brats3d.config import DataConfig
    from brats3d.data.phantom import write_phantoms

    if not config.data:
        write_phantoms(folder, cases=1, size=config.size, with_labels=False)
        return folder, f"phantom {'x'.join(map(str, config.size))}"
    if len(config.data) != 1:
        raise ConfigError(
            "one case at a time", where="data", got=", ".join(config.data), expected="the folder of a case"
        )
    found = assembly.discover_cases(DataConfig(), Path(config.data[0])).cases
    if len(found) != 1:
        raise ConfigError(
            "one case at a time", where="data", got=f"{len(found)} cases", expected="the folder of one"
        )
    return Path(config.data[0]).resolve(), found[0].case_id
