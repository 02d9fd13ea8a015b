"""How soon the web page answers while several users send, segment and look at cases at the same time."""

from __future__ import annotations

import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import psutil

import brats3d
from brats3d.benchmarks.machine import this_machine, threads_of
from brats3d.benchmarks.report import Measurement, Report, Section
from brats3d.benchmarks.visitor import Visitor
from brats3d.config import BenchmarkConfig
from brats3d.errors import ConfigError, RunError

_RECIPE = "fuzzy_kmeans"


def benchmark_app(config: BenchmarkConfig) -> Report:
    """Measure ``brats3d app`` on loopback, in a process of its own, with made-up cases.

    Every user segments one case after the other. The times are those of the requests; waiting for a
    segmentation is none.

    Raises:
        ConfigError: Nobody to ask, or nothing to segment.
        RunError: The app does not start.
    """
    for name in ("users", "cases"):
        if getattr(config, name) < 1:
            raise ConfigError(
                "nothing to measure", where=name, got=getattr(config, name), expected="1 or more"
            )
    from brats3d.data.phantom import write_phantoms

    machine, threads = this_machine(), threads_of(config.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = write_phantoms(folder / "cases", cases=config.cases, size=config.size, with_labels=False)
        files = [{file.name: file.read_bytes() for file in sorted(case.iterdir())} for case in cases]
        with _app(config, folder, threads) as (process, address):
            model = Path(config.run).resolve().name if config.run else _RECIPE
            visitors = [Visitor(address) for _ in range(config.users)]
            begin = time.perf_counter()
            _visit(visitors, files, model)
            seconds = time.perf_counter() - begin
            used_mib = _used_mib(process)
    return Report("app", machine, asdict(config), (_section(config, visitors, seconds, used_mib),))


def _visit(visitors: list[Visitor], cases: list[dict[str, bytes]], model: str) -> None:
    def visit(visitor: Visitor) -> None:
        for files in cases:
            visitor.segment(files, model)

    users = [threading.Thread(target=visit, args=(visitor,)) for visitor in visitors]
    for user in users:
        user.start()
    for user in users:
        user.join()


@contextmanager
def _app(config: BenchmarkConfig, folder: Path, threads: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the app with one model.

    Yields:
        Its process, and its name and port.

    Raises:
        RunError: It does not start.
    """
    model = ["--run", str(Path(config.run).resolve())] if config.run else ["--classical", f"{_RECIPE}.yaml"]
    log = folder / "log"
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "brats3d.app", "--port", "0", "--folder", str(folder / "app"), *model],
            env={
                **os.environ,
                "OMP_NUM_THREADS": str(threads),
                "PYTHONPATH": str(Path(brats3d.__file__).parents[1]),
            },
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            assert process.stdout is not None
            printed = (re.search(r"http://([\w.:]+)", line) for line in process.stdout)
            address = next((found[1] for found in printed if found), None)
            if address is None:
                raise RunError("the app does not start", got=log.read_text(encoding="utf-8").strip()[-2000:])
            yield process, address
        finally:
            process.terminate()
            process.communicate()


def _section(config: BenchmarkConfig, visitors: list[Visitor], seconds: float, used_mib: float) -> Section:
    kinds = list(dict.fromkeys(kind for visitor in visitors for kind in visitor.times_ms))
    times = {kind: [ms for visitor in visitors for ms in visitor.times_ms[kind]] for kind in kinds}
    everything = [ms for own in times.values() for ms in own]
    asked, done = config.users * config.cases, sum(visitor.done for visitor in visitors)
    size = "x".join(map(str, config.size))
    notes = [
        f"{asked} segmentations asked for, {done} done, {asked - done} lost, in {seconds:.1f} s; "
        f"memory of the server at the end {used_mib:.0f} MiB",
        f"requests: {len(everything)}, median {_quantile(everything, 50):.1f} ms, "
        f"95th percentile {_quantile(everything, 95):.1f} ms",
        *(f"{kind}: 95th percentile {_quantile(own, 95):.1f} ms" for kind, own in times.items()),
        *sorted({problem for visitor in visitors for problem in visitor.problems}),
    ]
    return Section(
        f"{config.users} users, {config.cases} cases each of {size}",
        tuple(_measurement(kind, own) for kind, own in times.items()),
        tuple(notes),
    )


def _measurement(kind: str, times_ms: list[float]) -> Measurement:
    unknown = (math.nan,) * len(times_ms)
    return Measurement(kind, f"{len(times_ms)} requests", tuple(times_ms), unknown, math.nan, math.nan)


def _quantile(times_ms: list[float], percent: int) -> float:
    return (
        statistics.quantiles(times_ms, n=100, method="inclusive")[percent - 1]
        if len(times_ms) > 1
        else math.nan
    )


def _used_mib(process: subprocess.Popen[str]) -> float:
    """Memory of the server now, at the end of its work."""
    return float(psutil.Process(process.pid).memory_info().rss / 2**20)
