"""Scorers of segmentations side by side: brats3d, MONAI, surface-distance, brats-evaluation."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from brats3d.benchmarks.machine import this_machine
from brats3d.benchmarks.processes import ContenderProcess, contender_process
from brats3d.benchmarks.pythons import BRATS_EVALUATION
from brats3d.benchmarks.report import Report, Section
from brats3d.benchmarks.scoring import worker
from brats3d.benchmarks.scoring.pairs import RANKED, Pair, from_files, large_tumour, many_lesions
from brats3d.benchmarks.scoring.worker import CONTENDERS
from brats3d.benchmarks.turns import measure_in_turns
from brats3d.config import BenchmarkConfig
from brats3d.errors import ConfigError, MissingExtraError
from brats3d.registry import look_up

_CHALLENGE = BRATS_EVALUATION.package
_SAME_DICE = 1e-6


def benchmark_metrics(config: BenchmarkConfig) -> Report:
    """Measure every contender on every pair, each in a process of its own and of one thread.

    The contenders take turns, so that whatever else the machine does meanwhile meets all of them.

    Raises:
        ConfigError: An unknown contender, or a Python that is not there.
        MissingExtraError: A contender that was asked for is not installed.
        DataError: Files that cannot be scored.
    """
    pythons = _pythons(config)
    makers = _pairs(config)
    machine = this_machine()
    notes = [f"not measured: {name} (without --brats_evaluation_python)" for name in _left_out(config)]
    sections = []
    with tempfile.TemporaryDirectory() as folder:
        for number, make in enumerate(makers):
            pair, file = make(), Path(folder) / f"{number}.npz"
            pair.save(file)
            with _processes(pythons, file, config.threads or 1) as running:
                absent = {own.name: own.missing for own in running if own.missing is not None}
                _check_present(absent, config)
                ready = [own for own in running if own.missing is None]
                sections.append(_section(ready, pair, config.repeats))
            notes += [note for own in absent.items() if (note := _not_installed(*own)) not in notes]
    return Report("metrics", machine, asdict(config), tuple(sections), tuple(notes))


def _pythons(config: BenchmarkConfig) -> dict[str, str | None]:
    """Contenders to measure and the Python of each; None: the one that runs.

    Raises:
        ConfigError: An unknown contender, or a Python that is not there.
    """
    for name in config.contenders:
        look_up(CONTENDERS, name, "contenders")
    elsewhere = config.brats_evaluation_python
    asked = [name for name in config.contenders if name.startswith(_CHALLENGE)]
    BRATS_EVALUATION.check(elsewhere, needed=bool(asked))
    names = config.contenders or [name for name in CONTENDERS if name not in _left_out(config)]
    return {name: elsewhere if name.startswith(_CHALLENGE) else None for name in names}


def _left_out(config: BenchmarkConfig) -> list[str]:
    if config.contenders or config.brats_evaluation_python is not None:
        return []
    return [name for name in CONTENDERS if name.startswith(_CHALLENGE)]


def _pairs(config: BenchmarkConfig) -> list[Callable[[], Pair]]:
    """What makes the pairs; that of the files comes first, so that a wrong file is told at once."""
    made: list[Callable[[], Pair]] = [lambda: large_tumour(config.size), lambda: many_lesions(config.size)]
    if not config.data:
        return made
    if len(config.data) != 2:
        raise ConfigError(
            "a pair is two files",
            where="data",
            got=", ".join(config.data),
            expected="PREDICTION,REFERENCE",
        )
    prediction, reference = config.data
    return [lambda: from_files(prediction, reference, config.convention), *made]


@contextlib.contextmanager
def _processes(
    pythons: Mapping[str, str | None], file: Path, threads: int
) -> Iterator[list[ContenderProcess]]:
    """Start one process after the other, so that no first run disturbs another."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(contender_process(name, python, file, worker.__file__, threads=threads))
            for name, python in pythons.items()
        ]


def _check_present(absent: Mapping[str, str], config: BenchmarkConfig) -> None:
    for name, package in absent.items():
        if name.startswith(_CHALLENGE):
            raise BRATS_EVALUATION.without_package(name, package, config.brats_evaluation_python)
        if name in config.contenders:
            raise MissingExtraError(
                f"{name} cannot be measured: the package {package} is not installed",
                where="contenders",
                remedy=f"pip install {package}",
            )


def _not_installed(name: str, package: str) -> str:
    return f"not measured: {name} (pip install {package})"


def _section(ready: Sequence[ContenderProcess], pair: Pair, repeats: int) -> Section:
    measured = measure_in_turns(ready, CONTENDERS, repeats, pair.title)
    return Section(pair.title, measured, (_dice(ready),))


def _dice(ready: Sequence[ContenderProcess]) -> str:
    """Say whether all who compute Dice agree: whether they measured the same thing."""
    texts = []
    for region in (region.name for region in RANKED):
        found = {own.name: own.found["scores"].get(region, {}).get("dice") for own in ready}
        values = [value for value in found.values() if value is not None]
        if values and max(values) - min(values) <= _SAME_DICE:
            texts.append(f"{region} {values[0]:.4f}")
        elif values:
            texts.append(f"{region} " + " ".join(f"{name} {value}" for name, value in found.items() if value))
    return f"Dice, the same within {_SAME_DICE:g} for all who compute it unless named: {', '.join(texts)}"
