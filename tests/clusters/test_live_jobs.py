"""A training on a real SLURM: over two nodes, preempted, interrupted by a signal, and finished."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from brats3d.clusters.submit import submit
from brats3d.config import SubmitConfig
from brats3d.data.phantom import write_phantoms
from brats3d.training.checkpoints import read_checkpoint

PATIENCE_S = 300
EPOCHS = 40
TRAINING = {
    "data": {"workers": 1},
    "split": {"val": 1, "test": 1},
    "patch": {"size": [16, 16, 16], "batch_size": 1, "per_epoch": 4},
    "model": {"params": {"filters": [4, 8]}},
    "trainer": {
        "max_epochs": EPOCHS,
        "check_val_every_n_epoch": EPOCHS,
        "checkpoint_every_n_minutes": 0,
        "precision": "32-true",
        "log_every_n_steps": 1,
    },
}
# The nodes of the tests are names for this machine that nothing but SLURM knows.
ENVIRONMENT = "export MASTER_ADDR=127.0.0.1 GLOO_SOCKET_IFNAME=lo"


def test_a_training_on_two_nodes_survives_preemption_and_the_signal_of_its_limit(
    tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "o'dd p%j"  # SLURM reads the head of a script in a way of its own
    write_phantoms(folder / "new data", cases=5, size=(32, 32, 32), seed=3)
    (folder / "training.yaml").write_text(yaml.safe_dump(TRAINING))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    job = SubmitConfig(
        name="tiny",
        nodes=2,
        gpus_per_node=0,
        cpus_per_gpu=1,
        partition="low",
        environment=ENVIRONMENT,
        go=True,
    )
    done = submit(job, ["--config", "training.yaml", "--data.root", "new data"])
    (number,) = done.jobs
    run, log = folder / "runs" / "tiny", folder / f"tiny-{number}.log"
    last = run / "checkpoints" / "last.ckpt"

    cluster.wait_until(last.exists, PATIENCE_S, log)
    urgent = cluster.call("sbatch", "--parsable", "-p", "high", "-N2", "-o", "/dev/null", "--wrap", "sleep 1")
    cluster.wait_until(lambda: cluster.about(number).get("Restarts") == "1", PATIENCE_S, log)
    cluster.wait_until(lambda: cluster.about(urgent)["JobState"] == "COMPLETED", PATIENCE_S, log)
    assert read_checkpoint(last)["epoch"] < EPOCHS - 1

    cluster.wait_until(lambda: (run / "logs" / "csv" / "part-1" / "metrics.csv").exists(), PATIENCE_S, log)
    cluster.call("scancel", "--signal=USR1", number)
    cluster.wait_until(lambda: cluster.about(number).get("Restarts") == "2", PATIENCE_S, log)
    assert read_checkpoint(last)["epoch"] < EPOCHS - 1

    cluster.wait_until(lambda: cluster.about(number)["JobState"] == "COMPLETED", PATIENCE_S, log)
    said = log.read_text()
    assert "interrupted (SIGTERM)" in said
    assert "interrupted (SIGUSR1)" in said
    assert "goes back into the queue" in said
    assert json.loads((run / "metrics.json").read_text())["split"] == "test"
    assert read_checkpoint(last)["epoch"] == EPOCHS - 1
    assert epochs_of(run) == set(range(EPOCHS))
    assert not run.with_name("tiny.interrupted").exists()


def epochs_of(run: Path) -> set[int]:
    """Epochs that the logs of all starts have."""
    epochs = set()
    for file in run.glob("logs/csv/part-*/metrics.csv"):
        with file.open(newline="") as rows:
            epochs |= {int(row["epoch"]) for row in csv.DictReader(rows)}
    return epochs
