"""Freed memory is kept while a training computes, and no longer, however it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from brats3d import host_memory
from brats3d.training.kept_memory import KeptMemory


class Line(pl.LightningModule):
    """Notes, in every step, whether memory is kept."""

    def __init__(self, fails: bool) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.fails = fails
        self.users: list[int] = []

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        self.users.append(host_memory._users)
        if self.fails and batch_idx == 1:
            raise RuntimeError("a step fails")
        return self.weight.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("fails", [False, True])
def test_while_it_trains(tmp_path: Path, fails: bool) -> None:
    module = Line(fails)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        callbacks=[KeptMemory()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    if fails:
        with pytest.raises(RuntimeError, match="a step fails"):
            trainer.fit(module, DataLoader(torch.zeros(3)))
    else:
        trainer.fit(module, DataLoader(torch.zeros(3)))
    assert module.users == [1] * (2 if fails else 3)
    assert host_memory._users == 0
