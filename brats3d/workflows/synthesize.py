"""Write a data set of phantoms, with a progress bar."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from brats3d.data.phantom import PhantomParameters, write_phantoms

# More threads gain little: much of the time goes into short array operations.
_MOST_JOBS = 4


def synthesize(
    root: str | Path,
    *,
    cases: int = 10,
    layout: str = "brats2021",
    seed: int = 0,
    size: tuple[int, int, int] = (96, 96, 96),
    labels: bool = True,
    visits: int = 1,
    parameters: PhantomParameters | None = None,
    spacing_mm: tuple[float, float, float] | None = None,
    quiet: bool = False,
) -> list[Path]:
    """Write made-up examinations with known truth as a data set.

    Args:
        root: Folder of the data set; made if missing, never overwritten.
        cases: Number of examinations.
        layout: Naming of the files, such as ``brats2021``.
        seed: Seed of the data set; equal seeds write equal voxels.
        size: Voxels along each axis, at least 32.
        labels: Whether label maps are written.
        visits: Examinations of each patient; more than 1 where case names tell the visit.
        parameters: Ranges the phantoms are drawn from.
        spacing_mm: Stored voxel size; None: isotropic, so that an adult head fills the volume.
        quiet: Leave out the progress bar.

    Returns:
        For each case its folder, or its first image where cases have no folder.

    Raises:
        ConfigError: Unknown layout, or a number that cannot work.
        OutputError: A file exists already, or the folder cannot be written to.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        task = progress.add_task("phantoms", total=cases)
        return write_phantoms(
            root,
            cases=cases,
            layout=layout,
            seed=seed,
            size=size,
            with_labels=labels,
            visits=visits,
            parameters=parameters,
            spacing_mm=spacing_mm,
            jobs=min(_MOST_JOBS, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else 1,
            on_case=lambda _: progress.advance(task),
        )
