"""A real SLURM with two nodes on this machine, started for the tests and ended with them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel", "sinfo")

CONFIGURATION = """\
ClusterName=brats3d
SlurmctldHost=localhost
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SlurmdParameters=config_overrides
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1 RealMemory=100
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1 RealMemory=100
NodeName=n3 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[3]} CPUs=2 RealMemory=100
PartitionName=low Nodes=n1,n2 Default=YES State=UP PriorityTier=1
PartitionName=high Nodes=n1,n2 State=UP PriorityTier=10
PartitionName=wide Nodes=n3 State=UP PriorityTier=1
"""


@dataclass(frozen=True)
class Cluster:
    """A running SLURM: two nodes of one core, where ``high`` preempts ``low``, and ``wide``, one of two."""

    folder: Path

    def call(self, *words: str) -> str:
        """Output of one of SLURM's programs, which must end well."""
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout.strip()

    def about(self, job: str) -> dict[str, str]:
        """What ``scontrol`` knows of a job."""
        words = self.call("scontrol", "--oneliner", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait_until(self, happened: Callable[[], bool], seconds: float, log: Path | None = None) -> None:
        """Wait for something a job does; in vain, fail and show the job's log and the daemons'."""
        said = [] if log is None else [log]
        wait_until(happened, seconds, lambda: _tails([*said, *sorted(self.folder.glob("*.log"))]))


def _tails(logs: Sequence[Path]) -> str:
    return "\n".join(f"{log}:\n{log.read_text()[-3000:]}" for log in logs if log.exists())


def wait_until(happened: Callable[[], bool], seconds: float, said: Callable[[], str]) -> None:
    """Look again and again; fail with ``said()`` when it does not happen in time."""
    latest = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < latest, said()
        time.sleep(0.2)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])
    missing = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
    if missing:
        pytest.skip(f"no SLURM on this machine: {', '.join(missing)} not installed (slurm-wlm, munge)")
    if os.geteuid() != 0:
        pytest.skip("the daemons of SLURM can be started by root only")
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "state").mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    (folder / "slurm.conf").write_text(CONFIGURATION.format(folder=folder, ports=_free_ports(4)))
    with pytest.MonkeyPatch.context() as patch, ExitStack() as running:
        patch.setenv("PATH", path)
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        for words in _daemons(folder):
            output = running.enter_context((folder / f"{words[0]}-{words[-1]}.out").open("wb"))
            process = subprocess.Popen(words, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
            running.callback(_end, process)
            if words[0] == "munged":
                socket_file = folder / "munge.socket"
                wait_until(socket_file.exists, 10, lambda: "munged does not start")
        made = Cluster(folder)
        made.wait_until(lambda: _idle_nodes() == 3, 60)
        running.callback(_cancel_all)
        yield made


def _daemons(folder: Path) -> list[list[str]]:
    names = ("key", "socket", "pid", "seed", "log")
    munge = [f"--{name}-file={folder}/munge.{name}" for name in names]
    munge[1] = f"--socket={folder}/munge.socket"
    return [
        ["munged", *munge, "--force", "--foreground"],
        ["slurmctld", "-c", "-D"],
        ["slurmd", "-D", "-N", "n1"],
        ["slurmd", "-D", "-N", "n2"],
        ["slurmd", "-D", "-N", "n3"],
    ]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _idle_nodes() -> int:
    done = subprocess.run(["sinfo", "-h", "-N", "-p", "low,wide", "-o", "%t"], capture_output=True, text=True)
    return done.stdout.split().count("idle")


def _cancel_all() -> None:
    subprocess.run(["scancel", "--user=root"], check=False, timeout=30)
    subprocess.run(["scancel", "--user=root", "--signal=KILL"], check=False, timeout=30, capture_output=True)
    latest = time.monotonic() + 10
    while _idle_nodes() < 3 and time.monotonic() < latest:
        time.sleep(0.2)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
