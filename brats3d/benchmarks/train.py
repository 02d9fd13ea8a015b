"""Training steps side by side: brats3d, MONAI and nnU-Net, on the same network and patches."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from brats3d.benchmarks.machine import this_machine, threads_of
from brats3d.benchmarks.nnunet.choice import check_present, chosen, left_out
from brats3d.benchmarks.processes import ContenderProcess, contender_process
from brats3d.benchmarks.report import Measurement, Report, Section
from brats3d.benchmarks.serving import Contender
from brats3d.benchmarks.training import nnunet_worker, worker
from brats3d.benchmarks.training.job import Job
from brats3d.benchmarks.turns import measure_in_turns
from brats3d.config import BenchmarkConfig
from brats3d.errors import ConfigError, MissingExtraError

CONTENDERS: Mapping[str, Contender] = MappingProxyType({**worker.CONTENDERS, **nnunet_worker.CONTENDERS})
_THEIRS = tuple(nnunet_worker.CONTENDERS)


def benchmark_train(config: BenchmarkConfig) -> Report:
    """Measure how long each contender takes for one optimiser step, in a process of its own.

    A step is what a trainer does with a batch that is in memory: forward, loss at several resolutions,
    backward, update of the weights, and whatever its own loop adds. The first one is not measured.

    Raises:
        ConfigError: An unknown contender, a data set, a patch or batch that cannot be trained on, or a
            Python that is not there.
        MissingExtraError: A contender that was asked for is not installed.
    """
    names = chosen(CONTENDERS, config, _THEIRS)
    _check_patches(config)
    machine = this_machine()
    notes = left_out(config, _THEIRS)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        from brats3d.benchmarks.training.patches import write_patches

        patches = Path(folder) / "patches.npz"
        write_patches(patches, config.patch, config.batch_size)
        running = []
        for name in names:
            own = Path(folder) / name
            own.mkdir()
            job = Job(str(patches), config.patch, config.batch_size, str(own))
            running.append(stack.enter_context(_process(name, job, config)))
        ready = [process for process in running if process.missing is None]
        notes += [_not_installed(process, config) for process in running if process.missing is not None]
        title = f"{config.batch_size} patches of 4x{'x'.join(map(str, config.patch))}"
        measured = measure_in_turns(ready, CONTENDERS, config.repeats, title)
    section = Section(title, measured, _notes(measured, config.batch_size))
    return Report("train", machine, asdict(config), (section,), tuple(notes))


def _check_patches(config: BenchmarkConfig) -> None:
    """Check what is to be trained on.

    Raises:
        ConfigError: It cannot be.
    """
    if config.data:
        raise ConfigError(
            "training steps are measured on phantoms",
            where="data",
            got=", ".join(config.data),
            expected="nothing",
            remedy="brats3d benchmark loader --data DIR measures the patches of a data set",
        )
    if config.batch_size < 1:
        raise ConfigError(
            "nothing to train on", where="batch_size", got=config.batch_size, expected="1 or more"
        )
    from brats3d.models import check_patch_size

    chosen = worker.recipe(config.patch, config.batch_size).model
    check_patch_size(chosen.name, chosen.params, config.patch, where="patch")


def _process(
    name: str, job: Job, config: BenchmarkConfig
) -> contextlib.AbstractContextManager[ContenderProcess]:
    file = Path(job.folder).with_suffix(".json")
    file.write_text(json.dumps(asdict(job)), encoding="utf-8")
    elsewhere = name in _THEIRS
    return contender_process(
        name,
        config.nnunet_python if elsewhere else None,
        file,
        nnunet_worker.__file__ if elsewhere else worker.__file__,
        threads=threads_of(config.threads),
    )


def _not_installed(process: ContenderProcess, config: BenchmarkConfig) -> str:
    """Tell what a contender lacks.

    Raises:
        MissingExtraError: It was asked for.
    """
    if process.name in _THEIRS:
        check_present(process, config)
    name, package = process.name, process.missing
    if name in config.contenders:
        raise MissingExtraError(
            f"{name} cannot be measured: the package {package} is not installed",
            where="contenders",
            remedy=f"pip install {package}",
        )
    return f"not measured: {name} (pip install {package})"


def _notes(measured: Sequence[Measurement], batch_size: int) -> tuple[str, ...]:
    def each(form: str) -> str:
        return ", ".join(f"{own.contender} {form.format(**own.scores['step'])}" for own in measured)

    rates = [f"{own.contender} {1000 * batch_size / own.median_ms:.3g}" for own in measured]
    found = [
        f"patches per second: {', '.join(rates)}",
        f"arithmetic: {each('{arithmetic}')}",
        f"parameters (of these in kernels of convolutions): {each('{parameters} ({in_kernels})')}",
        f"loss of the last step before those measured: {each('{loss:.3f}')}",
    ]
    if measured and all("gpu_mib" in own.scores["step"] for own in measured):
        found.append(f"peak MiB of the GPU: {each('{gpu_mib:.0f}')}")
    return tuple(found)
