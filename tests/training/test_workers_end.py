"""A program ends although a loader was given up in the middle of an epoch, whose workers hear no signal."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from types import SimpleNamespace

import torch

from brats3d.training.datamodule import PatchDataModule


class Numbers(torch.utils.data.Dataset):
    def __getitem__(self, number):
        return {"image": torch.zeros(1), "classes": torch.zeros(1)}


data = PatchDataModule(Numbers(), [], batch_size=1, samples_per_epoch=50, workers=2)
place = SimpleNamespace(root_device=torch.device("cpu"))
data.trainer = SimpleNamespace(world_size=1, global_rank=0, strategy=place)
prefetcher = data.train_dataloader()
batches = iter(prefetcher)
next(batches)
kept = prefetcher.loader._iterator  # as the traceback of an error would keep it
prefetcher.loader._iterator = None
del prefetcher
print("done")
"""


def test_the_program_ends() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "done"), done.stderr
    assert "Traceback" not in done.stderr
