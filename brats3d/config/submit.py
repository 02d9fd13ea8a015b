"""Settings of jobs on SLURM clusters, as a frozen dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SubmitConfig:
    """Write a batch script that trains on a SLURM cluster, requeues itself and resumes; with --go, submit it.

    ``--config`` is the training's, as for fit; so are all options after a ``--``.
    """

    name: str | None = None
    """Name of the run and of the job."""
    nodes: int = 1
    """Machines."""
    gpus_per_node: int = 1
    """GPUs, and processes, on each machine; 0: one process on its CPUs."""
    cpus_per_gpu: int = 8
    """Cores for each process; `data.workers` processes read samples beside it."""
    mem: str | None = None
    """Main memory on each machine, such as 128G; by default the cluster's."""
    time: str | None = None
    """Limit of each start of the job, such as 24:00:00 or 2-12; by default the cluster's."""
    partition: str | None = None
    """Partition; by default the cluster's."""
    account: str | None = None
    """Account that the job is charged to."""
    environment: str | None = None
    """Lines of shell that make `python` the one with brats3d, such as 'source venv/bin/activate'; without
    them it is the Python that writes the script."""
    array: Literal["folds"] | None = None
    """folds: one job for each of the training's `split.folds`, or for each site of its `split.sites`."""
    predict_input: str | None = None
    """With `array: folds`: a data set that the average of all folds predicts once they are trained."""
    predict_output: str | None = None
    """Folder for those label maps; by default predictions/NAME."""
    output: str | None = None
    """The script; by default NAME.sbatch. Logs go to its folder."""
    overwrite: bool = False
    """Replace a script that exists."""
    go: bool = False
    """Submit it, too."""
