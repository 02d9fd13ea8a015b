"""Which of the processes that train together this one is, and where they meet."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from brats3d.errors import ConfigError

if TYPE_CHECKING:
    from lightning_fabric.plugins.environments import ClusterEnvironment

_SIGNS_OF_A_LAUNCHER = ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS", "LOCAL_RANK", "NODE_RANK")


@dataclass(frozen=True)
class Rank:
    """One of several processes.

    Attributes:
        number: Number of the process, from 0, which leads.
        count: How many there are, on all machines.
        address: Name or address of the machine of the process that leads.
        port: Port on which the processes meet there.
        hosted: Whether the launcher (torchrun) keeps the place where they meet, instead of the leader.
        attempt: Which start of the same launcher this is.
        machine: Name of the machine of this process.
    """

    number: int
    count: int
    address: str
    port: int
    hosted: bool = False
    attempt: str = "0"
    machine: str = field(default_factory=socket.gethostname)

    def __str__(self) -> str:
        return f"rank {self.number} of {self.count}, on {self.machine} (process {os.getpid()})"


@dataclass(frozen=True)
class Allocation:
    """What a launcher started.

    Attributes:
        launcher: Its name.
        processes: Number of processes on all machines.
        machines: Number of machines, or None where that is not told.
    """

    launcher: str
    processes: int
    machines: int | None


def chosen_environment() -> ClusterEnvironment | None:
    """Environment of the launcher, as Lightning reads it; None where Lightning chooses for itself.

    Raises:
        ConfigError: A job of SLURM whose processes cannot be numbered.
    """
    from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

    if TorchElasticEnvironment.detect() or not SLURMEnvironment.detect():
        return None  # torchrun may run inside a job of SLURM
    try:
        # The job script requeues a job, by the exit code; a training need not know about schedulers.
        return SLURMEnvironment(auto_requeue=False)
    except RuntimeError as error:
        raise ConfigError(
            "SLURM does not tell how the processes lie on the machines",
            where="the job's options",
            got=f"--ntasks={os.environ['SLURM_NTASKS']} without --ntasks-per-node",
            expected="--nodes and --ntasks-per-node",
            remedy="ask for --ntasks-per-node=N, where N is trainer.devices",
        ) from error


def allocation(environment: Mapping[str, str] = os.environ) -> Allocation | None:
    """What the launcher's environment variables say; None without a launcher."""
    if "TORCHELASTIC_RUN_ID" in environment:
        machines = environment.get("GROUP_WORLD_SIZE")
        return Allocation("torchrun", int(environment["WORLD_SIZE"]), int(machines) if machines else None)
    if _is_slurm(environment):
        machines = environment.get("SLURM_NNODES")
        return Allocation("SLURM", int(environment["SLURM_NTASKS"]), int(machines) if machines else None)
    if "LOCAL_RANK" in environment and "WORLD_SIZE" in environment:
        return Allocation("the environment (WORLD_SIZE)", int(environment["WORLD_SIZE"]), None)
    return None


def check_allocation(machines: int, devices: int, environment: Mapping[str, str] = os.environ) -> None:
    """Check that the launcher started as many processes as the settings ask for.

    Args:
        machines: ``trainer.num_nodes``.
        devices: Processes per machine, from ``trainer.devices``.
        environment: Environment variables.

    Raises:
        ConfigError: It did not, or a job of SLURM was started without ``srun``.
    """
    given = allocation(environment)
    if given is None:
        return
    fits = given.machines in (None, machines) or given.processes == 1
    if not fits or given.processes != machines * devices:
        places = "" if given.machines is None else f" on {given.machines} machines"
        each = given.processes // (given.machines or machines) or 1
        raise ConfigError(
            "the training does not fit what was started",
            where="trainer.num_nodes, trainer.devices",
            got=f"{machines} x {devices} = {machines * devices} processes",
            expected=f"{given.processes} processes{places}, as {given.launcher} says",
            remedy=f"--trainer.num_nodes {given.machines or machines} --trainer.devices {each}, "
            f"or start {machines * devices} processes",
        )
    alone = given.launcher == "SLURM" and "SLURM_STEP_ID" not in environment
    if given.processes > 1 and alone:
        raise ConfigError(
            "the job has several tasks, but this process was not started by srun",
            where="SLURM_STEP_ID",
            got="not set",
            expected=f"{given.processes} processes, numbered by srun",
            remedy="put srun before the command, as `brats3d submit` does",
        )


def launched_rank(machines: int, devices: int | str) -> Rank | None:
    """Place of this process among those that a launcher (or Lightning) started; None if it is alone so far.

    Args:
        machines: ``trainer.num_nodes``.
        devices: ``trainer.devices``.

    Raises:
        ConfigError: Variables of a launcher that cannot be.
    """
    if not any(name in os.environ for name in _SIGNS_OF_A_LAUNCHER):
        return None
    from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hints about srun
        environment = chosen_environment()
    if environment is None and TorchElasticEnvironment.detect():
        environment = TorchElasticEnvironment()
    if environment is not None:
        number, count = environment.global_rank(), environment.world_size()
    else:
        environment = LightningEnvironment()
        local = int(os.environ.get("LOCAL_WORLD_SIZE", 0)) or (devices if isinstance(devices, int) else 0)
        count = int(os.environ.get("WORLD_SIZE", machines * (local or 1)))
        number = environment.node_rank() * (count // machines) + environment.local_rank()
        if number == 0 and "WORLD_SIZE" not in os.environ:
            return None  # it will start the others
    if count == 1:
        return None
    if not 0 <= number < count:
        raise ConfigError(
            "processes that cannot be numbered so",
            where="environment variables of the launcher",
            got=f"number {number} of {count} processes",
            remedy="start them with torchrun or srun, or leave that to --trainer.devices",
        )
    if isinstance(environment, LightningEnvironment) and not os.environ.get("MASTER_PORT", "").isdecimal():
        raise ConfigError(
            "nothing says on which port the processes meet",
            where="MASTER_PORT",
            got=os.environ.get("MASTER_PORT", "not set"),
            expected="a number, the same for all processes",
            remedy="set MASTER_ADDR and MASTER_PORT, or start the processes with torchrun or srun",
        )
    return rank_at(environment, number, count)


def rank_at(environment: ClusterEnvironment, number: int, count: int) -> Rank:
    """Place of the process of that number, where an environment has its processes meet."""
    hosted = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    # Machines that joined later count other starts than the rest; a store of the leader's is always new.
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") if hosted else "0"
    return Rank(
        number, count, environment.main_address, environment.main_port, hosted=hosted, attempt=attempt
    )


def _is_slurm(environment: Mapping[str, str]) -> bool:
    """Whether Lightning takes this for a task of SLURM."""
    interactive = environment.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return "SLURM_NTASKS" in environment and not interactive
