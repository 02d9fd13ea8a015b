"""Prediction from files to file: brats3d, the steps of MONAI's bundle and nnU-Net, with one network."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from brats3d.benchmarks.machine import this_machine, threads_of
from brats3d.benchmarks.nnunet import predicting as nnunet_predicting
from brats3d.benchmarks.nnunet.choice import check_present, chosen, left_out
from brats3d.benchmarks.nnunet.counterpart import check_counterpart, predicting_job
from brats3d.benchmarks.predicting import results, worker
from brats3d.benchmarks.predicting.bundle import CONVENTION as OF_BUNDLE
from brats3d.benchmarks.predicting.model import DYNUNET, Job, Model
from brats3d.benchmarks.processes import contender_process
from brats3d.benchmarks.report import Report, Section
from brats3d.benchmarks.serving import Contender
from brats3d.benchmarks.turns import measure_in_turns
from brats3d.config import BenchmarkConfig
from brats3d.errors import ConfigError

CONTENDERS: Mapping[str, Contender] = MappingProxyType({**worker.CONTENDERS, **nnunet_predicting.CONTENDERS})
_NNUNET = tuple(nnunet_predicting.CONTENDERS)


def benchmark_predict(config: BenchmarkConfig) -> Report:
    """Measure every contender on one case, each in a process of its own.

    The network is loaded beforehand; reading, preparing, predicting and writing are measured.

    Raises:
        ConfigError: An unknown contender, more than one case, a run that is not comparable, or a Python
            that is not there.
        MissingExtraError: nnU-Net's Python does not have nnU-Net.
        RunError: A run that cannot be read.
        DataError: A case that cannot be read.
    """
    names = chosen(CONTENDERS, config, _NNUNET)
    theirs = any(name in _NNUNET for name in names)
    _check_run(config.run, theirs)
    machine, threads = this_machine(), threads_of(config.threads)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        case, title = _case(config, Path(folder) / "data")
        ready = []
        for name in names:
            file = Path(folder) / f"{name}.json"
            job = Job(str(case), config.run, str(Path(folder) / name), config.patch if theirs else None)
            if name in _NNUNET:
                predicting_job(Model(job), Path(folder) / name).save(file)
                process = contender_process(
                    name, config.nnunet_python, file, nnunet_predicting.__file__, threads=threads
                )
            else:
                file.write_text(json.dumps(asdict(job)), encoding="utf-8")
                process = contender_process(name, None, file, worker.__file__, threads=threads)
            ready.append(stack.enter_context(process))
            check_present(ready[-1], config)
        measured = measure_in_turns(ready, CONTENDERS, config.repeats, title)
        notes = (*_agreement(names, Path(folder), job), _weights(config, theirs), *left_out(config, _NNUNET))
    return Report("predict", machine, asdict(config), (Section(title, measured, notes),))


def _agreement(names: Sequence[str], folder: Path, job: Job) -> list[str]:
    """Say how far the label maps that were written agree, where there is a full-image result."""
    if worker.PLAIN not in names or len(names) == 1:
        return []
    of_case = Model(job).case.convention
    meanings = {
        name: results.OF_NNUNET if name in _NNUNET else OF_BUNDLE if name.startswith("monai") else of_case
        for name in names
    }
    written = {name: next((folder / name).glob("*.nii.gz")) for name in names}
    maps = {name: results.classes_of(written[name], meaning) for name, meaning in meanings.items()}
    return [results.agreement(maps, worker.PLAIN)]


def _weights(config: BenchmarkConfig, theirs: bool) -> str:
    if config.run:
        return "the weights of the run"
    if theirs:
        return f"a dynunet with {dict(DYNUNET)}, which nnU-Net has, too; random weights: labels are chance"
    return "the quick start's network, random weights: labels are chance"


def _check_run(run: str | None, theirs: bool) -> None:
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
    if theirs:
        check_counterpart(config)


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
