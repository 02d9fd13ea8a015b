"""Schedulers send a signal to all processes of a job, those that read samples included."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from brats3d.data.phantom import write_phantoms

PATIENCE_S = 300
OPTIONS = (
    "--name run --data.root data --data.workers 1 --split.val 1 --split.test 1 --patch.size 16,16,16 "
    "--patch.batch_size 1 --patch.per_epoch 4 --model.params.filters [4,8] --trainer.max_epochs 5000 "
    "--trainer.check_val_every_n_epoch 5000 --trainer.checkpoint_every_n_minutes 0 "
    "--trainer.accelerator cpu --trainer.precision 32-true"
)


def interrupted(words: list[str], sign: Path, number: int, folder: Path) -> tuple[int, str]:
    """Exit code and messages of a training whose processes get a signal once ``sign`` is there."""
    with subprocess.Popen(
        [sys.executable, "-m", "brats3d.fit", *words],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as training:
        try:
            latest = time.monotonic() + PATIENCE_S
            while not sign.exists() and training.poll() is None and time.monotonic() < latest:
                time.sleep(0.1)
            if training.poll() is None:
                os.killpg(training.pid, number)
            said = training.communicate(timeout=PATIENCE_S)[1]
        finally:
            training.kill()
    return training.returncode, said


def test_a_training_whose_workers_are_signalled_too_keeps_its_state(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "data", cases=4, size=(32, 32, 32), seed=3)
    run = tmp_path / "runs" / "run"
    code, said = interrupted(OPTIONS.split(), run / "checkpoints" / "last.ckpt", signal.SIGTERM, tmp_path)
    assert (code, "interrupted (SIGTERM)" in said) == (75, True), said
    second = run / "logs" / "csv" / "part-1" / "metrics.csv"
    code, said = interrupted(["--resume", "runs/run"], second, signal.SIGUSR1, tmp_path)
    assert (code, "interrupted (SIGUSR1)" in said) == (75, True), said
