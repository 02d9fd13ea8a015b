"""What ends one process of a training ends all of them soon, and is told once."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from brats3d.data.phantom import write_phantoms

DEADLINE_S = 300
PROGRAM = Path(__file__).with_name("faulty_fit.py")
OPTIONS = (
    "--data.workers 0 --split.val 1 --split.test 1 --patch.size 16,16,16 --patch.batch_size 1 "
    "--patch.per_epoch 4 --model.params.filters [4,8] --trainer.accelerator cpu --trainer.precision 32-true "
    "--trainer.strategy ddp --trainer.devices 2 --trainer.max_epochs 5000 "
    "--trainer.check_val_every_n_epoch 5000 --trainer.checkpoint_every_n_minutes 0 --name run"
)


@dataclass
class Training:
    """Processes of a training, by what started them."""

    folder: Path
    started: list[subprocess.Popen[str]]

    @property
    def run(self) -> Path:
        return self.folder / "runs" / "run"

    @property
    def processes(self) -> dict[int, psutil.Process]:
        """The processes that train and are there, by rank."""
        found = {}
        for file in (self.folder / "places").iterdir():
            rank, _, number = file.name.partition("-")
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(int(number))
                if str(PROGRAM) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                    found[int(rank)] = process
        return found

    def wait_for_checkpoint(self) -> None:
        latest = time.monotonic() + DEADLINE_S
        while not (self.run / "checkpoints" / "last.ckpt").exists() and time.monotonic() < latest:
            for process in self.started:
                assert process.poll() is None, process.communicate()[1]
            time.sleep(0.1)

    def end(self) -> tuple[list[int], str]:
        """Exit codes and all that was said, once nothing runs any more."""
        said = [process.communicate(timeout=DEADLINE_S)[1] for process in self.started]
        latest = time.monotonic() + DEADLINE_S
        while self.processes and time.monotonic() < latest:
            time.sleep(0.1)
        assert not self.processes
        return [process.returncode for process in self.started], "".join(said)


Start = Callable[..., Training]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder, cases=4, size=(32, 32, 32), seed=3)
    return folder


@pytest.fixture
def start(data: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a training of two processes, as Lightning, srun or torchrun does."""
    trainings: list[Training] = []

    def begin(launcher: str = "Lightning", fault: str = "", options: str = "", **variables: str) -> Training:
        (tmp_path / "places").mkdir(exist_ok=True)
        words = [str(PROGRAM), "--data.root", str(data), *OPTIONS.split(), *options.split()]
        base = {
            name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "MASTER_"))
        }
        base |= {"OMP_NUM_THREADS": "1", "FAULT": fault, "PLACES": str(tmp_path / "places"), **variables}
        started = [
            subprocess.Popen(
                [sys.executable, *command],
                cwd=tmp_path,
                env=base | own,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for command, own in commands(launcher, words)
        ]
        trainings.append(Training(tmp_path, started))
        return trainings[-1]

    yield begin
    for training in trainings:
        for process in training.processes.values():
            process.kill()
        for starter in training.started:
            starter.kill()
            starter.wait()


def commands(launcher: str, words: list[str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    port = str(free_port())
    if launcher == "Lightning":
        yield words, {}
    elif launcher == "torchrun":
        yield ["-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}", *words], {}
    else:
        for rank in "01":
            yield words, slurm(rank, tasks="2") | {"MASTER_PORT": port}


def slurm(rank: str, *, tasks: str) -> dict[str, str]:
    """What srun sets for a task."""
    place = {"SLURM_PROCID": rank, "SLURM_LOCALID": rank, "SLURM_NODEID": "0", "SLURM_NODELIST": "localhost"}
    job = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_NNODES": "1", "SLURM_JOB_NAME": "train"}
    return {**place, **job, "SLURM_NTASKS": tasks, "SLURM_NTASKS_PER_NODE": tasks}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("", 0))
        return int(found.getsockname()[1])


def assert_told_once(said: str, *parts: str) -> None:
    assert said.count("brats3d: error: ") == 1, said
    for part in parts:
        assert part in said, (part, said)
    assert "remedy:" in said
    assert "Exception raised from" not in said


@pytest.mark.parametrize(
    ("launcher", "victim"),
    [
        ("Lightning", 0),
        pytest.param("Lightning", 1, marks=pytest.mark.slow),
        pytest.param("srun", 1, marks=pytest.mark.slow),
        pytest.param("srun", 0, marks=pytest.mark.slow),
        pytest.param("torchrun", 1, marks=pytest.mark.slow),
        pytest.param("torchrun", 0, marks=pytest.mark.slow),
    ],
)
def test_all_end_when_one_is_killed_and_the_run_goes_on_from_its_checkpoint(
    start: Start, launcher: str, victim: int
) -> None:
    training = start(launcher)
    training.wait_for_checkpoint()
    training.processes[victim].kill()
    codes, said = training.end()
    assert_told_once(said, "went away", f"rank {victim} of 2, on ", f"--resume {training.run}")
    if launcher == "torchrun":
        assert codes == [1]  # torchrun's own
    else:
        assert codes[victim if launcher == "srun" else 0] == (-9 if victim == 0 or launcher == "srun" else 2)
        assert launcher != "srun" or codes[1 - victim] == 2
    assert (training.run / "checkpoints" / "last.ckpt").exists()


@pytest.mark.slow
@pytest.mark.parametrize("halted", [0, 1])
def test_one_that_answers_no_more_counts_as_gone(start: Start, halted: int) -> None:
    training = start("srun")
    training.wait_for_checkpoint()
    process = training.processes[halted]
    process.send_signal(signal.SIGSTOP)
    training.started[1 - halted].wait(DEADLINE_S)
    process.send_signal(signal.SIGCONT)  # it learns that the others have gone, and says nothing of it
    codes, said = training.end()
    assert_told_once(said, f"rank {halted} of 2", f"--resume {training.run}")
    assert codes[1 - halted] == 2


@pytest.mark.slow
def test_one_that_waits_where_no_exception_comes_is_ended_too(start: Start) -> None:
    training = start("srun", fault="hang:0", options="--trainer.max_epochs 50")
    training.wait_for_checkpoint()
    training.processes[1].kill()
    codes, said = training.end()
    assert_told_once(said, "rank 1 of 2", "--resume")
    assert codes == [2, -9]


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_defect_on_one_process_is_shown_once_with_its_traceback(start: Start, rank: int) -> None:
    codes, said = start(fault=f"raise:{rank}").end()
    assert_told_once(said, f"rank {rank} of 2, on ", "ZeroDivisionError: a defect", "--resume")
    assert said.count("Traceback") == 1
    assert codes == [1]


@pytest.mark.parametrize(
    ("fault", "option", "parts"),
    [
        ("option:1", "--seed 7", ("settings", "seed, of rank 1", "got:      7", "expected: 0")),
        pytest.param("version:1", "", ("different code", "brats3d 0.0.1"), marks=pytest.mark.slow),
        pytest.param("folder:1", "", ("does not see the folder of the run",), marks=pytest.mark.slow),
    ],
)
def test_what_differs_between_processes_is_told_before_the_training(
    start: Start, fault: str, option: str, parts: tuple[str, ...]
) -> None:
    training = start(fault=fault, OPTION=option)
    codes, said = training.end()
    assert_told_once(said, "rank 1 of 2, on ", *parts)
    assert codes == [2]
    assert not training.run.exists()


@pytest.mark.slow
def test_other_data_on_one_process_is_told_before_the_training(
    start: Start, data: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(data, other)
    case = sorted(other.iterdir())[0].name
    changed, source = (sorted((folder / case).glob("*flair*"))[0] for folder in (other, data))
    twin = next(file for file in sorted((data / case).iterdir()) if "t2" in file.name)
    assert source.read_bytes() != twin.read_bytes()
    shutil.copyfile(twin, changed)
    training = start("srun", fault="option:1", OPTION=f"--data.root {other}")
    codes, said = training.end()
    assert_told_once(said, "different data", "rank 1 of 2, on ", case)
    assert codes == [2, 2]
    assert not training.run.exists()


def test_a_port_that_is_taken_is_named(start: Start) -> None:
    with socket.socket() as holder:
        holder.bind(("", 0))
        holder.listen()
        port = holder.getsockname()[1]
        codes, said = start(MASTER_PORT=str(port), MASTER_ADDR="127.0.0.1").end()
    assert_told_once(said, f"port {port}", "MASTER_PORT")
    assert codes == [2]


@pytest.mark.slow
def test_processes_that_do_not_fit_the_settings_say_so_once(start: Start) -> None:
    training = start("srun", options="--trainer.devices 1")
    codes, said = training.end()
    assert_told_once(said, "1 x 1 = 1 processes", "2 processes on 1 machines, as SLURM says")
    assert codes == [2, 2]
    assert not training.run.exists()


@pytest.mark.slow
def test_more_processes_than_cases_train_and_validate(start: Start) -> None:
    options = "--split.test 2 --trainer.max_epochs 2 --trainer.check_val_every_n_epoch 1"
    training = start(options=options)
    codes, said = training.end()
    assert codes == [0], said
    assert "1 training, 1 validation, 2 test cases" in said
    assert (training.run / "metrics.csv").exists()
