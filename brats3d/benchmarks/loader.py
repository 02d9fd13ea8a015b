"""Loaders of training patches side by side: brats3d, MONAI and nnU-Net, on one core each."""

from __future__ import annotations

import contextlib
import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from brats3d.benchmarks.loading import worker
from brats3d.benchmarks.loading.job import Job
from brats3d.benchmarks.machine import this_machine
from brats3d.benchmarks.nnunet import loading as nnunet_loading
from brats3d.benchmarks.nnunet.choice import check_present, chosen, left_out
from brats3d.benchmarks.nnunet.plans import CONFIGURATION, FILTERS, plans
from brats3d.benchmarks.processes import contender_process
from brats3d.benchmarks.report import Measurement, Report, Section
from brats3d.benchmarks.serving import Contender
from brats3d.benchmarks.turns import measure_in_turns
from brats3d.cases import MODALITIES, Case
from brats3d.config import BenchmarkConfig
from brats3d.errors import ConfigError

CONTENDERS: Mapping[str, Contender] = MappingProxyType({**worker.CONTENDERS, **nnunet_loading.CONTENDERS})
_NNUNET = tuple(nnunet_loading.CONTENDERS)
_PHANTOMS = 2
_PATCHES = 4  # at a time, so that a measurement is not that of a single draw; two batches of nnU-Net


def benchmark_loader(config: BenchmarkConfig) -> Report:
    """Measure how long each loader takes for some augmented patches, in a process of one thread.

    The first patches, and what is done once for each case, are not measured but told in a note.

    Raises:
        ConfigError: An unknown contender, more than one data set, or a Python that is not there.
        MissingExtraError: nnU-Net's Python does not have nnU-Net.
        LayoutError: There is no data set where the configuration says.
        DataError: A case without a modality or a label map.
    """
    names = chosen(CONTENDERS, config, _NNUNET)
    machine = this_machine()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        root, title = _data(config, Path(folder) / "phantoms")
        job = Job(str(root), str(Path(folder) / "store"), config.patch, _PATCHES)
        cases = job.cases()  # a data set that cannot be used is told before anything is measured
        ready = []
        for name in names:
            file = Path(folder) / f"{name}.json"
            theirs = name in _NNUNET
            if theirs:
                _nnunet_job(cases, config.patch, Path(folder) / name).save(file)
            else:
                file.write_text(json.dumps(asdict(job)), encoding="utf-8")
            process = contender_process(
                name,
                config.nnunet_python if theirs else None,
                file,
                nnunet_loading.__file__ if theirs else worker.__file__,
                threads=config.threads or 1,
            )
            ready.append(stack.enter_context(process))
            check_present(ready[-1], config)
        measured = measure_in_turns(ready, CONTENDERS, config.repeats, title)
    notes = (_per_second(measured), _beforehand(measured), *left_out(config, _NNUNET))
    return Report("loader", machine, asdict(config), (Section(title, measured, notes),))


def _nnunet_job(cases: Sequence[Case], patch: Sequence[int], folder: Path) -> nnunet_loading.Job:
    """Make what nnU-Net starts from."""
    from brats3d.benchmarks.nnunet.raw import write_raw

    levels = 1
    while levels < len(FILTERS) and all(side % 2**levels == 0 and side >= 4 * 2**levels for side in patch):
        levels += 1
    # Its axes are those of SimpleITK, the last one first.
    content = plans(patch[::-1], filters=FILTERS[:levels])
    dataset = write_raw(cases, folder / "raw" / content["dataset_name"], MODALITIES)
    return nnunet_loading.Job(str(folder), content, dataset, CONFIGURATION, _PATCHES)


def _data(config: BenchmarkConfig, folder: Path) -> tuple[Path, str]:
    """Data set to measure on, made up unless one is given, and what the report calls it."""
    from brats3d.data.discovery import discover
    from brats3d.data.phantom import write_phantoms

    if len(config.data) > 1:
        raise ConfigError(
            "one data set at a time", where="data", got=", ".join(config.data), expected="a folder"
        )
    what = f"{_PATCHES} patches of 4x{'x'.join(map(str, config.patch))}"
    if config.data:
        root = Path(config.data[0]).resolve()
        return root, f"{what}, {len(discover(root).cases)} cases"
    write_phantoms(folder, cases=_PHANTOMS, size=config.size)
    return folder, f"{what}, {_PHANTOMS} phantoms of {'x'.join(map(str, config.size))}"


def _per_second(measured: Sequence[Measurement]) -> str:
    # By the mean, since the draws decide what a patch costs.
    rates = [f"{own.contender} {1000 * _PATCHES / statistics.fmean(own.cpu_ms):.2f}" for own in measured]
    return f"patches per second of one core, by its processor time: {', '.join(rates)}"


def _beforehand(measured: Sequence[Measurement]) -> str:
    seconds = [f"{own.contender} {own.scores['beforehand']['seconds_per_case']:.1f} s" for own in measured]
    return f"once for each case beforehand (little where another contender did it): {', '.join(seconds)}"
