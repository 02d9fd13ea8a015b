"""The benchmarks by name, and what all of them have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from brats3d.benchmarks.app import benchmark_app
from brats3d.benchmarks.loader import benchmark_loader
from brats3d.benchmarks.memory import benchmark_memory
from brats3d.benchmarks.metrics import benchmark_metrics
from brats3d.benchmarks.predict import benchmark_predict
from brats3d.benchmarks.report import Report
from brats3d.benchmarks.scaling import benchmark_scaling
from brats3d.benchmarks.train import benchmark_train
from brats3d.config import BenchmarkConfig
from brats3d.errors import ConfigError, OutputError
from brats3d.files import write_json
from brats3d.registry import look_up

BENCHMARKS: Mapping[str, Callable[[BenchmarkConfig], Report]] = MappingProxyType(
    {
        "metrics": benchmark_metrics,
        "loader": benchmark_loader,
        "predict": benchmark_predict,
        "train": benchmark_train,
        "memory": benchmark_memory,
        "scaling": benchmark_scaling,
        "app": benchmark_app,
    }
)
"""What is imported here is imported by every benchmark: each loads torch and the like when it runs."""


def run_benchmark(config: BenchmarkConfig) -> Report:
    """Run the benchmark that the configuration names, and write its report where it says.

    Raises:
        ConfigError: No benchmark of that name, or a setting that cannot work.
        OutputError: The report cannot be written.
    """
    if config.name is None:
        names = ", ".join(BENCHMARKS)
        raise ConfigError(
            "no benchmark named", where="name", expected=f"one of {names}", remedy="brats3d benchmark metrics"
        )
    benchmark = look_up(BENCHMARKS, config.name, "name")
    if config.repeats < 1:
        raise ConfigError("nothing to measure", where="repeats", got=config.repeats, expected="1 or more")
    output = Path(config.output) if config.output else None
    if output is not None and output.exists() and not config.overwrite:
        raise OutputError(
            "the report exists already", where=output, remedy="pass --overwrite, or choose another file"
        )
    report = benchmark(config)
    if output is not None:
        write_json(output, report.as_dict())
    return report
