"""What launchers say about processes, held against the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from brats3d.config import PatchConfig
from brats3d.errors import ConfigError, DataError, RunError
from brats3d.training.together.ranks import Rank, check_allocation, launched_rank
from brats3d.training.together.start_checks import (
    check_batches,
    check_same_cases,
    check_same_folder,
    check_same_settings,
    check_same_versions,
)

TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "8", "GROUP_WORLD_SIZE": "2"}
SRUN = {"SLURM_NTASKS": "8", "SLURM_NNODES": "2", "SLURM_STEP_ID": "0", "SLURM_JOB_NAME": "train"}
RANK = Rank(3, 8, "node-a", 29500, machine="node-b")


@pytest.fixture(autouse=True)
def without_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("environment", [{}, TORCHRUN, SRUN, TORCHRUN | {"SLURM_NTASKS": "2"}])
def test_an_allocation_that_fits_is_taken(environment: dict[str, str]) -> None:
    check_allocation(2, 4, environment)


@pytest.mark.parametrize(
    ("machines", "devices", "environment"),
    [
        (1, 4, TORCHRUN),
        (1, 8, TORCHRUN),
        (2, 2, SRUN),
        (4, 2, SRUN),
        (1, 1, SRUN),
        (1, 2, {"SLURM_NTASKS": "1", "SLURM_NNODES": "1"}),
        (1, 2, {"LOCAL_RANK": "0", "WORLD_SIZE": "4"}),
    ],
)
def test_an_allocation_that_does_not_fit_is_refused(
    machines: int, devices: int, environment: dict[str, str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        check_allocation(machines, devices, environment)
    assert caught.value.got == f"{machines} x {devices} = {machines * devices} processes"
    count = environment.get("WORLD_SIZE") or environment["SLURM_NTASKS"]
    assert str(caught.value.expected).startswith(f"{count} processes")
    assert "--trainer.devices" in str(caught.value.remedy)


def test_a_job_of_several_tasks_without_srun_is_refused() -> None:
    outside = {name: value for name, value in SRUN.items() if name != "SLURM_STEP_ID"}
    with pytest.raises(ConfigError, match="srun"):
        check_allocation(2, 4, outside)
    check_allocation(1, 1, outside | {"SLURM_JOB_NAME": "interactive"})


def test_the_place_of_a_process_is_read_from_its_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    assert launched_rank(1, 2) is None
    for name, value in {"LOCAL_RANK": "1", "WORLD_SIZE": "4", "NODE_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASTER_PORT", raising=False)
    with pytest.raises(ConfigError, match="not set"):
        launched_rank(2, 2)
    monkeypatch.setenv("MASTER_PORT", "here")
    with pytest.raises(ConfigError, match="here"):
        launched_rank(2, 2)
    monkeypatch.setenv("MASTER_PORT", "1234")
    rank = launched_rank(2, 2)
    assert rank is not None
    assert (rank.number, rank.count, rank.port, rank.hosted) == (3, 4, 1234, False)
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert launched_rank(1, 1) is None


def test_each_process_needs_a_batch() -> None:
    check_batches(PatchConfig(per_epoch=8, batch_size=2), 4)
    with pytest.raises(ConfigError, match=r"8 or more \(4 processes x patch\.batch_size 2\)"):
        check_batches(PatchConfig(per_epoch=7, batch_size=2), 4)


def test_differences_name_the_process_and_both_values() -> None:
    check_same_versions({"torch": "2"}, {"torch": "2"}, RANK)
    with pytest.raises(RunError) as code:
        check_same_versions({"torch": "2", "monai": "1"}, {"torch": "3", "monai": "1"}, RANK)
    assert (code.value.got, code.value.expected) == ("torch 2", "torch 3, as rank 0 has")
    check_same_settings({"a": (1, 2)}, {"a": [1, 2]}, RANK)  # as JSON has it
    with pytest.raises(ConfigError, match="rank 3 of 8, on node-b"):
        check_same_settings({"a": 1, "b": 2}, {"a": 1, "b": 3}, RANK)
    check_same_cases({"train": ["x-1"]}, {"train": ["x-1"]}, RANK)
    with pytest.raises(DataError) as data:
        check_same_cases({"train": ["x-1", "y-2"]}, {"train": ["x-1", "y-3"]}, RANK)
    assert (data.value.got, "y-3" in str(data.value.expected)) == ("2 cases, among them y-2", True)
    with pytest.raises(DataError, match="another order"):
        check_same_cases({"train": ["y", "x"]}, {"train": ["x", "y"]}, RANK)


def test_a_folder_that_is_not_shared_is_found_out(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(RunError, match="no such folder"):
        check_same_folder(folder, "token", RANK, patience_s=0)
    folder.mkdir()
    with pytest.raises(RunError, match="another folder of that name"):
        check_same_folder(folder, "token", RANK, patience_s=0)
    (folder / "token").touch()
    check_same_folder(folder, "token", RANK, patience_s=0)
