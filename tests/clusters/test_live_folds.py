"""Jobs on a real SLURM: folds with the job that averages them, and two processes on one node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from brats3d.__main__ import main
from brats3d.clusters.submit import submit
from brats3d.config import SubmitConfig
from brats3d.data.phantom import write_phantoms
from brats3d.training.checkpoints import read_checkpoint

PATIENCE_S = 300
EPOCHS, PATCHES = 6, 8
TRAINING = {
    "data": {"root": "data", "workers": 0},
    "patch": {"size": [16, 16, 16], "batch_size": 1, "per_epoch": PATCHES},
    "model": {"params": {"filters": [4, 8]}},
    "trainer": {
        "max_epochs": EPOCHS,
        "check_val_every_n_epoch": EPOCHS,
        "checkpoint_every_n_minutes": 0,
        "precision": "32-true",
    },
}
FOLDS = ["--config", "training.yaml", "--split.folds", "2", "--split.test", "0"]
# The nodes of the tests are names for this machine that nothing but SLURM knows.
HERE = {"MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
# Before it starts, the first fold arranges that it gets the signal of its limit at its first checkpoint.
INTERRUPTED_ONCE = """\
if [ "${SLURM_ARRAY_TASK_ID:-1}" -eq 0 ] && [ "${SLURM_RESTART_COUNT:-0}" -eq 0 ]; then
  (until [ -e runs/cv-fold0/checkpoints/last.ckpt ]; do sleep 0.02; done
  scancel --signal=USR1 "$SLURM_JOB_ID") &
fi
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Current folder, with four cases and a training."""
    write_phantoms(tmp_path / "data", cases=4, size=(32, 32, 32), seed=3)
    (tmp_path / "training.yaml").write_text(yaml.safe_dump(TRAINING))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    for name, value in HERE.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def submit_folds(environment: str) -> tuple[str, str]:
    """Numbers of the array and of the job that averages its runs."""
    job = SubmitConfig(
        name="cv",
        gpus_per_node=0,
        cpus_per_gpu=1,
        partition="low",
        array="folds",
        predict_input="data",
        environment=environment,
        go=True,
    )
    array, averaging = submit(job, FOLDS).jobs
    return array, averaging


def epoch_reached(run: Path) -> int:
    return read_checkpoint(run / "checkpoints" / "last.ckpt")["epoch"]


@pytest.mark.slow
def test_folds_are_averaged_once_all_have_come_to_their_end(folder: Path, cluster: Any) -> None:
    array, averaging = submit_folds(INTERRUPTED_ONCE)
    first_log, last_log = folder / f"cv-{array}_0.log", folder / f"cv-predict-{averaging}.log"

    def restarts() -> str | None:
        return cluster.about(f"{array}_0").get("Restarts")

    cluster.wait_until(lambda: restarts() == "1", PATIENCE_S, first_log)
    waiting = cluster.about(averaging)
    assert (waiting["JobState"], waiting["Reason"]) == ("PENDING", "Dependency")
    assert not (folder / "predictions").exists()

    ends = ("COMPLETED", "FAILED", "CANCELLED")
    cluster.wait_until(lambda: cluster.about(averaging)["JobState"] in ends, PATIENCE_S, first_log)
    said = first_log.read_text() + (last_log.read_text() if last_log.exists() else "")
    assert cluster.about(averaging)["JobState"] == "COMPLETED", said
    assert "goes back into the queue" in said
    for fold in (0, 1):
        run = folder / "runs" / f"cv-fold{fold}"
        assert (run / "metrics.json").exists()
        assert epoch_reached(run) == EPOCHS - 1
    assert len(list((folder / "predictions" / "cv").glob("*.nii.gz"))) == 4

    before = sorted(folder.glob("runs/*/logs/csv/*"))
    assert main(["crossval", "--name", "cv", *FOLDS]) == 0  # gathers the folds, and trains none again
    assert sorted(folder.glob("runs/*/logs/csv/*")) == before
    gathered = json.loads((folder / "runs" / "cv" / "crossval.json").read_text())
    assert gathered["cases"] == 4


@pytest.mark.slow
def test_a_fold_that_fails_cancels_the_job_that_would_average_it(folder: Path, cluster: Any) -> None:
    stray = folder / "runs" / "cv-fold1" / "notes.txt"  # something else has the name of a run
    stray.parent.mkdir(parents=True)
    stray.touch()
    array, averaging = submit_folds("true")
    log = folder / f"cv-{array}_0.log"

    cluster.wait_until(lambda: cluster.about(averaging)["JobState"] != "PENDING", PATIENCE_S, log)
    assert cluster.about(averaging)["JobState"] == "CANCELLED"
    failed = cluster.about(f"{array}_1")
    assert (failed["JobState"], failed["ExitCode"]) == ("FAILED", "2:0")
    assert "the folder of the run is not empty" in (folder / f"cv-{array}_1.log").read_text()

    cluster.wait_until(lambda: cluster.about(f"{array}_0")["JobState"] == "COMPLETED", PATIENCE_S, log)
    assert epoch_reached(folder / "runs" / "cv-fold0") == EPOCHS - 1
    assert not (folder / "predictions").exists()
    assert not (folder / f"cv-predict-{averaging}.log").exists()


@pytest.mark.slow
def test_srun_starts_two_processes_on_one_node(folder: Path, cluster: Any) -> None:
    words = (
        "srun --partition wide --nodes 1 --ntasks-per-node 2 --cpus-per-task 1 --kill-on-bad-exit=1".split()
    )
    words += [sys.executable, "-m", "brats3d.fit", "--config", "training.yaml", "--name", "both"]
    words += "--split.val 1 --split.test 2 --trainer.devices 2 --trainer.strategy ddp".split()
    words += ["--trainer.accelerator", "cpu"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr[-4000:]
    run = folder / "runs" / "both"
    state = read_checkpoint(run / "checkpoints" / "last.ckpt")
    assert state["global_step"] == EPOCHS * PATCHES // 2  # two processes share the patches of an epoch
    assert (run / "metrics.json").exists()
