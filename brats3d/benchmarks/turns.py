"""Contenders that take turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brats3d.benchmarks.processes import ContenderProcess
from brats3d.benchmarks.report import Measurement
from brats3d.benchmarks.serving import Contender
from brats3d.workflows.messages import progress_over


def measure_in_turns(
    ready: Sequence[ContenderProcess], contenders: Mapping[str, Contender], repeats: int, what: str
) -> tuple[Measurement, ...]:
    """Measure each process ``repeats`` times, so that whatever else the machine does meets all of them.

    Args:
        ready: Processes that have made their first run.
        contenders: What is known of each by its name.
        repeats: Runs of each.
        what: Name of the work on the progress bar.
    """
    times: dict[str, list[tuple[float, float]]] = {process.name: [] for process in ready}
    for _ in progress_over(range(repeats), what):
        for process in ready:
            times[process.name].append(process.measure())
    return tuple(
        Measurement(
            process.name,
            contenders[process.name].says,
            tuple(wall for wall, _ in times[process.name]),
            tuple(cpu for _, cpu in times[process.name]),
            process.found["peak_mib"],
            process.found["own_mib"],
            process.found["versions"],
            process.found["scores"],
        )
        for process in ready
    )
