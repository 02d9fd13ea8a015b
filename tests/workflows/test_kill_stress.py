"""A training that is killed at random moments, again and again, ends with the weights of one that is not."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from brats3d.config import FitConfig
from brats3d.training.checkpoints import read_checkpoint
from brats3d.workflows.fit import fit

DEADLINE_S = 400.0


def train(config: FitConfig) -> None:
    torch.set_num_threads(1)
    fit(config)


@pytest.mark.parametrize(("kills", "epochs"), [(5, 6), pytest.param(20, 30, marks=pytest.mark.slow)])
def test_killed_at_random_moments(
    tmp_path: Path, fit_config: Callable[..., FitConfig], kills: int, epochs: int
) -> None:
    shared = {
        "trainer__max_epochs": epochs,
        "trainer__check_val_every_n_epoch": epochs // 3,
        "trainer__checkpoint_every_n_minutes": 0.0,  # after every step
        "trainer__deterministic": True,
        "patch__per_epoch": 40,
        "model__params": {"filters": [4, 8], "dropout": 0.3},
    }
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["brats3d.workflows.fit", "pytorch_lightning", "brats3d.training.module"])
    whole, parts = (fit_config(tmp_path, name, **shared) for name in ("whole", "parts"))
    run, chance = tmp_path / "parts", random.Random(0)
    uninterrupted = context.Process(target=train, args=(whole,))
    uninterrupted.start()
    uninterrupted.join(DEADLINE_S)
    assert uninterrupted.exitcode == 0

    killed, ends_at = 0, time.monotonic() + DEADLINE_S
    finished = run / "metrics.csv"
    while not finished.exists():
        assert time.monotonic() < ends_at
        last = run / "checkpoints" / "last.ckpt"
        exists = last.exists()
        before = last.stat().st_mtime_ns if exists else 0
        process = context.Process(target=train, args=(FitConfig(resume=str(run)) if exists else parts,))
        process.start()
        while process.is_alive() and not (last.exists() and last.stat().st_mtime_ns != before):
            time.sleep(0.002)
        if killed < kills:
            process.join(chance.uniform(0.0, 0.15))
            process.kill()
            killed += 1
        process.join(DEADLINE_S)
    assert killed == kills, "the training was over before it had been killed often enough"
    for name in ("best.ckpt", "last.ckpt"):
        one, two = (read_checkpoint(tmp_path / part / f"checkpoints/{name}") for part in ("whole", "parts"))
        assert one["global_step"] == two["global_step"]
        for part in ("state_dict", "current_model_state", "optimizer_states", "averaging_state"):
            torch.testing.assert_close(one[part], two[part], rtol=0, atol=0, equal_nan=True)
