"""Peak memory of training and of prediction, beside what is stated of them."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from brats3d.benchmarks.footprint import worker
from brats3d.benchmarks.machine import this_machine, threads_of
from brats3d.benchmarks.processes import ContenderProcess, contender_process
from brats3d.benchmarks.report import Measurement, Report, Section
from brats3d.config import BenchmarkConfig
from brats3d.errors import ConfigError
from brats3d.registry import look_up

if TYPE_CHECKING:
    from brats3d.config import FitConfig

PREDICT_GIB = 4.0
"""Stated peak main memory of a prediction of one case on a CPU."""

PREDICT_GPU_GIB = 6.0
"""Stated peak memory of the GPU of a prediction of one case, without mirror images."""

_MIB_PER_GIB = 1024


def benchmark_memory(config: BenchmarkConfig) -> Report:
    """Measure the peak memory of a few training steps and of one prediction, each in its own process.

    Each is run once: memory does not vary as time does.

    Raises:
        ConfigError: An unknown contender, recipe and run at once, or a recipe that cannot be trained.
        RunError: A run that cannot be read.
    """
    names = config.contenders or tuple(worker.CONTENDERS)
    for name in names:
        look_up(worker.CONTENDERS, name, "contenders")
    if config.recipe is not None and config.run is not None:
        raise ConfigError(
            "a recipe and a run at once", where="recipe", got=config.recipe, expected="one of them"
        )
    chosen = _configuration(config)  # a run or recipe that is not there is told before anything is made
    machine, threads = this_machine(), threads_of(config.threads)
    with tempfile.TemporaryDirectory() as folder:
        job = _job(config, Path(folder), trains="fit" in names)
        measured, notes = [], []
        for name in names:
            if name == "monai" and (chosen.model.spatial_dims != 3 or chosen.model.head != "sigmoid"):
                notes.append("not measured: monai (its bundle has no counterpart of this network)")
                continue
            file = Path(folder) / f"{name}.json"
            job.save(file)
            with contender_process(name, None, file, worker.__file__, threads=threads) as process:
                measured.append(_measured(process))
    size = "x".join(map(str, config.size))
    what = config.run or config.recipe or "quick start"
    sections = (
        Section(
            f"{what}, {'training' if trains else 'one case'}, {size}",
            tuple(own for own in measured if (own.contender == "fit") == trains),
            tuple(_verdict(own, chosen) for own in measured if (own.contender == "fit") == trains),
        )
        for trains in (True, False)
    )
    found = tuple(section for section in sections if section.measurements)
    return Report("memory", machine, asdict(config), found, tuple(notes))


def _configuration(config: BenchmarkConfig) -> FitConfig:
    from brats3d.config import load_config
    from brats3d.workflows.runs import RunFolder

    return load_config(config.recipe) if config.run is None else RunFolder.open(config.run).config()


def _job(config: BenchmarkConfig, folder: Path, *, trains: bool) -> worker.Job:
    """Make the phantoms here, so that their making is not measured."""
    from brats3d.data.phantom import write_phantoms

    cases, case = folder / "cases", folder / "case"
    if trains:
        write_phantoms(cases, cases=worker.CASES, size=config.size)
    write_phantoms(case, cases=1, size=config.size, with_labels=False)
    return worker.Job(config.recipe, config.run, str(cases), str(case), str(folder / "written"))


def _measured(process: ContenderProcess) -> Measurement:
    found, time = process.found, process.found["scores"]["time"]
    return Measurement(
        process.name,
        worker.CONTENDERS[process.name].says,
        (time["wall_ms"],),
        (time["cpu_ms"],),
        found["peak_mib"],
        found["own_mib"],
        found["versions"],
        found["scores"],
    )


def _verdict(measured: Measurement, config: FitConfig) -> str:
    """Say how much one contender took, and whether that is within what is stated."""
    gpu, child = measured.scores["gpu"], measured.scores["children"]["peak_mib"]
    taken = (gpu["reserved_mib"] if gpu else measured.peak_mib) / _MIB_PER_GIB
    parts = [f"{measured.contender}: {taken:.2f} GiB of {'GPU memory' if gpu else 'memory'}"]
    if gpu:
        parts.append(f"{gpu['allocated_mib'] / _MIB_PER_GIB:.2f} GiB of it allocated")
        parts.append(f"{measured.peak_mib / _MIB_PER_GIB:.2f} GiB of main memory")
    if child > measured.peak_mib:  # one that was not forked from it, and so shares nothing
        parts.append(f"{child / _MIB_PER_GIB:.2f} GiB in the largest of its processes")
    if measured.contender != "monai":
        parts.append(_beside(_stated(measured.contender, config, on_gpu=bool(gpu)), taken))
    return ", ".join(parts)


def _stated(contender: str, config: FitConfig, *, on_gpu: bool) -> float | None:
    if contender == "fit":
        return config.trainer.memory_gib
    return PREDICT_GPU_GIB if on_gpu else PREDICT_GIB


def _beside(stated: float | None, taken: float) -> str:
    if stated is None:
        return "nothing stated (trainer.memory_gib)"
    return f"{'within' if taken <= stated else 'OVER'} the stated {stated:g} GiB"
