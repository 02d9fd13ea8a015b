"""Prediction by several processes: each case once, the same files, errors before the work."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import torch
import yaml

from brats3d.config import PredictConfig, from_dict
from brats3d.errors import ConfigError, OutputError
from brats3d.predict import main
from brats3d.workflows import devices
from brats3d.workflows.devices import placed, predict_in_processes, process_count
from brats3d.workflows.fit import FitResult
from brats3d.workflows.predict import predict

NAMES = [f"BraTS2021_{number:05d}.nii.gz" for number in range(3)]


@pytest.fixture(scope="module")
def three_cases(phantom_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("three")
    for name in NAMES:
        case = name.removesuffix(".nii.gz")
        shutil.copytree(phantom_set / case, root / case)
    return root


@pytest.fixture(scope="module")
def job(trained: FitResult, three_cases: Path, tmp_path_factory: pytest.TempPathFactory) -> PredictConfig:
    """Prediction by one process, of which the files are there."""
    made = PredictConfig(
        run=(str(trained.run),),
        input=str(three_cases),
        output=str(tmp_path_factory.mktemp("one")),
        accelerator="cpu",
    )
    assert [path.name for path in predict(made)] == NAMES
    return made


@pytest.fixture
def simulated_gpus(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Four GPUs; the list says which was made the current one."""
    chosen: list[int] = []

    @contextlib.contextmanager
    def device(index: int) -> Iterator[None]:
        chosen.append(index)
        yield

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "device", device)
    return chosen


def launched(monkeypatch: pytest.MonkeyPatch, rank: int, processes: int) -> None:
    for name, value in {"RANK": rank, "WORLD_SIZE": processes, "LOCAL_RANK": rank}.items():
        monkeypatch.setenv(name, str(value))


def contents(folder: str | Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_two_processes_write_what_one_writes(job: PredictConfig, tmp_path: Path) -> None:
    paths = predict(dataclasses.replace(job, output=str(tmp_path), devices=2))
    assert paths == [tmp_path / name for name in NAMES]
    assert contents(tmp_path) == contents(job.output)


def test_the_error_of_a_process_is_told(
    job: PredictConfig, three_cases: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spoilt = Path(shutil.copytree(three_cases, tmp_path / "in"))
    (torn,) = spoilt.glob("*00001/*_t1ce.nii.gz")
    torn.write_bytes(torn.read_bytes()[:200])
    output = tmp_path / "out"
    words = [f"--run={job.run[0]}", f"--input={spoilt}", f"--output={output}", "--accelerator=cpu"]
    assert main([*words, "--devices", "2"]) == 2
    said = capfd.readouterr()
    assert said.err.count("brats3d: error: cannot read the file\n  where:    ") == 1
    assert str(torn) in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    expected = contents(job.output)
    found = contents(output) if output.exists() else {}
    assert found.items() <= expected.items(), "something half-written"
    assert NAMES[1] not in found


@pytest.mark.parametrize("processes", [2, 5])
def test_a_launched_process_predicts_its_share(
    job: PredictConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    config = dataclasses.replace(job, output=str(tmp_path))
    for rank in range(processes):
        launched(monkeypatch, rank, processes)
        assert predict(config) == [tmp_path / name for name in NAMES[rank::processes]]
    assert contents(tmp_path) == contents(job.output)


def test_a_launched_process_keeps_to_its_own_files(
    job: PredictConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAMES[1]).write_bytes(b"precious")
    config = dataclasses.replace(job, output=str(tmp_path))
    launched(monkeypatch, 1, 2)
    with pytest.raises(OutputError, match="1 of 1 predictions exist already"):
        predict(config)
    launched(monkeypatch, 0, 2)
    assert len(predict(config)) == 2
    assert (tmp_path / NAMES[1]).read_bytes() == b"precious"


def test_variables_that_make_no_sense_stop_everything(
    job: PredictConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(ConfigError, match="WORLD_SIZE not set") as caught:
        predict(dataclasses.replace(job, output=str(tmp_path / "out")))
    assert "torchrun" in str(caught.value.remedy)
    assert not (tmp_path / "out").exists()


# What is checked before a process is started


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, str]]:
    """Environments of the processes that would be started, and do nothing."""
    environments: list[Mapping[str, str]] = []

    def run(commands: Sequence[Sequence[str]], given: Sequence[Mapping[str, str]]) -> Iterator[None]:
        assert len(commands) == len(given)
        environments.extend(given)
        file = Path(commands[0][-1])
        read = from_dict(PredictConfig, yaml.safe_load(file.read_text()))
        assert read.devices == 1
        for target in Path(str(read.input)).iterdir():
            Path(read.output).mkdir(exist_ok=True)
            Path(read.output, f"{target.name}.nii.gz").touch()
        yield

    monkeypatch.setattr(devices, "run_together", run)
    return environments


def test_files_that_are_there_stop_all_processes(
    job: PredictConfig, started: list[Mapping[str, str]], tmp_path: Path
) -> None:
    (tmp_path / NAMES[2]).write_bytes(b"precious")
    with pytest.raises(OutputError, match="1 of 3 predictions exist already"):
        predict(dataclasses.replace(job, output=str(tmp_path), devices=2))
    with pytest.raises(ConfigError, match="unknown label convention"):
        predict(dataclasses.replace(job, output=str(tmp_path / "b"), devices=2, convention="brats3023"))
    assert started == []
    assert contents(tmp_path) == {NAMES[2]: b"precious"}


def test_no_more_processes_than_cases_and_the_threads_are_shared_out(
    job: PredictConfig, started: list[Mapping[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 13)
    predict(dataclasses.replace(job, output=str(tmp_path), devices=8))
    ranks = [(each["RANK"], each["WORLD_SIZE"], each["LOCAL_RANK"]) for each in started]
    assert ranks == [("0", "3", "0"), ("1", "3", "1"), ("2", "3", "2")]
    assert {each["OMP_NUM_THREADS"] for each in started} == {"4"}
    assert {each["PATH"] for each in started} == {os.environ["PATH"]}


def test_files_that_are_replaced_count_as_they_arrive(
    job: PredictConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = [tmp_path / name for name in NAMES]
    for path in targets:
        path.write_bytes(b"old")
    shown: list[Path] = []
    counts: list[int] = []

    def run(commands: object, environments: object) -> Iterator[None]:
        for path in targets:
            (tmp_path / "new").write_bytes(b"new")
            (tmp_path / "new").replace(path)
            yield
            counts.append(len(shown))

    def progress_over(items: Sequence[Path], what: str) -> Iterator[Path]:
        assert len(items) == 3
        for path in items:
            shown.append(path)
            yield path

    monkeypatch.setattr(devices, "run_together", run)
    monkeypatch.setattr(devices, "progress_over", progress_over)
    predict_in_processes(dataclasses.replace(job, devices=2), targets)
    assert counts == [1, 2, 3]
    assert shown == targets


# How many, and where


@pytest.mark.parametrize("chosen", [0, -1, "many", "2"])
def test_numbers_that_cannot_work(chosen: int | str) -> None:
    with pytest.raises(ConfigError, match="auto or a whole number from 1") as caught:
        process_count(PredictConfig(devices=chosen))
    assert caught.value.where == "devices"


def test_auto_is_one_process_for_each_gpu(simulated_gpus: list[int]) -> None:
    assert process_count(PredictConfig(devices="auto")) == 4
    assert process_count(PredictConfig(devices="auto", accelerator="cpu")) == 1
    assert process_count(PredictConfig(devices=6)) == 6
    assert process_count(PredictConfig()) == 1


def test_with_a_launcher_it_says_how_many(monkeypatch: pytest.MonkeyPatch, simulated_gpus: list[int]) -> None:
    launched(monkeypatch, 0, 2)
    assert process_count(PredictConfig(devices="auto")) == 1
    with pytest.raises(ConfigError, match="leave out --devices"):
        process_count(PredictConfig(devices=2))
    launched(monkeypatch, 0, 1)  # srun for a shell, or for one task with several GPUs
    assert process_count(PredictConfig(devices=2)) == 2
    assert process_count(PredictConfig(devices="auto")) == 4


def test_each_process_has_a_gpu_of_its_own(
    monkeypatch: pytest.MonkeyPatch, simulated_gpus: list[int]
) -> None:
    for rank in range(5):
        launched(monkeypatch, rank, 5)
        with placed(PredictConfig()) as here:
            assert here.accelerator == "auto"
    assert simulated_gpus == [0, 1, 2, 3, 0]
    with placed(PredictConfig(accelerator="cpu")):
        assert len(simulated_gpus) == 5


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_missed_before_anything_starts() -> None:
    with (
        pytest.raises(ConfigError, match="no GPU is available"),
        placed(PredictConfig(accelerator="gpu", devices=2)),
    ):
        pass


def test_one_that_starts_others_keeps_off_the_gpus(simulated_gpus: list[int]) -> None:
    with placed(PredictConfig(devices="auto")) as here:
        assert here.accelerator == "cpu"
    with placed(PredictConfig(devices=1)) as here:
        assert here.accelerator == "auto"
    assert simulated_gpus == []
