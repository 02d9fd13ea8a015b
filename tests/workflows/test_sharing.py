"""Shares of work, as the environment variables of launchers say."""

from __future__ import annotations

import itertools

import pytest

from brats3d.errors import ConfigError
from brats3d.workflows.sharing import Share, launched_share


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 6])
def test_each_item_is_in_exactly_one_share(processes: int, count: int) -> None:
    shares = [list(Share(rank, processes, rank).of(range(count))) for rank in range(processes)]
    assert sorted(itertools.chain.from_iterable(shares)) == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    ("environment", "share"),
    [
        ({}, None),
        ({"LOCAL_RANK": "1"}, None),
        ({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, Share(3, 8, 1)),
        ({"RANK": "0", "WORLD_SIZE": "1"}, Share(0, 1, 0)),
        ({"RANK": "2", "WORLD_SIZE": "4"}, Share(2, 4, 2)),
        (
            {"SLURM_STEP_ID": "0", "SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1"},
            Share(5, 8, 1),
        ),
        (
            {
                "SLURM_STEP_ID": "1",
                "SLURM_PROCID": "1",
                "SLURM_STEP_NUM_TASKS": "2",
                "SLURM_NTASKS": "8",
                "SLURM_LOCALID": "0",
            },
            Share(1, 2, 0),
        ),
        # A batch script that asks for tasks and starts none: it is alone.
        ({"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_LOCALID": "0"}, None),
        (
            {
                "RANK": "1",
                "WORLD_SIZE": "2",
                "LOCAL_RANK": "1",
                "SLURM_STEP_ID": "0",
                "SLURM_PROCID": "0",
                "SLURM_NTASKS": "1",
            },
            Share(1, 2, 1),
        ),
    ],
)
def test_variables_of_launchers(environment: dict[str, str], share: Share | None) -> None:
    assert launched_share(environment) == share


@pytest.mark.parametrize(
    ("environment", "parts"),
    [
        ({"RANK": "0"}, ["WORLD_SIZE not set", "RANK=0", "unset RANK"]),
        ({"WORLD_SIZE": "2"}, ["RANK not set", "WORLD_SIZE=2"]),
        ({"RANK": "2", "WORLD_SIZE": "2"}, ["RANK=2, WORLD_SIZE=2", "below WORLD_SIZE"]),
        ({"RANK": "-1", "WORLD_SIZE": "2"}, ["RANK=-1"]),
        ({"RANK": "one", "WORLD_SIZE": "2"}, ["RANK=one"]),
        ({"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": ""}, ["LOCAL_RANK="]),
        ({"SLURM_STEP_ID": "0", "SLURM_PROCID": "0"}, ["SLURM_NTASKS not set", "srun"]),
    ],
)
def test_variables_that_contradict_each_other(environment: dict[str, str], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        launched_share(environment)
    for part in [*parts, "--devices"]:
        assert part in str(caught.value)
