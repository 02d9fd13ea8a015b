"""Whether nnU-Net is among the contenders, and whether its Python has it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from brats3d.benchmarks.processes import ContenderProcess
from brats3d.benchmarks.pythons import NNUNET
from brats3d.benchmarks.serving import Contender
from brats3d.config import BenchmarkConfig
from brats3d.registry import look_up


def chosen(
    contenders: Mapping[str, Contender], config: BenchmarkConfig, theirs: Collection[str]
) -> list[str]:
    """Names of the contenders to measure; those of nnU-Net only where its Python is given.

    Args:
        contenders: All that there are, by name.
        config: Says which, and where nnU-Net's Python is.
        theirs: Names of those that run in that Python.

    Raises:
        ConfigError: An unknown contender, or a Python that is not there.
    """
    for name in config.contenders:
        look_up(contenders, name, "contenders")
    NNUNET.check(config.nnunet_python, needed=any(name in theirs for name in config.contenders))
    if config.contenders:
        return list(config.contenders)
    return [name for name in contenders if name not in theirs or config.nnunet_python is not None]


def left_out(config: BenchmarkConfig, theirs: Collection[str]) -> list[str]:
    """Notes on the contenders that were not measured for want of a Python."""
    if config.contenders or config.nnunet_python is not None:
        return []
    return [f"not measured: {name} (without --{NNUNET.setting})" for name in theirs]


def check_present(process: ContenderProcess, config: BenchmarkConfig) -> None:
    """Check that a process has all that it needs.

    Raises:
        MissingExtraError: It lacks a package.
    """
    if process.missing is not None:
        raise NNUNET.without_package(process.name, process.missing, config.nnunet_python)
