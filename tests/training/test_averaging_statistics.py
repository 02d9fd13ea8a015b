"""Averaged weights are validated and kept with the batch-norm statistics of the training."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from brats3d.training.averaging import MovingAverage


class Normalised(pl.LightningModule):
    """Batch norm whose running mean is the mean of the last batch."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(1, momentum=1.0)
        self.validated_with: list[float] = []

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.norm(batch).square().mean()

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        assert not self.norm.training
        self.validated_with.append(self.norm.running_mean.item())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_statistics_of_batch_norm_accompany_the_average(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Normalised()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        callbacks=[MovingAverage(0.999)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=tmp_path,
    )
    batches = torch.tensor([[1.0, 3.0], [10.0, 20.0], [5.0, 6.0]])[:, :, None]
    trainer.fit(module, DataLoader(batches, batch_size=None), DataLoader(torch.zeros(1)))
    assert module.validated_with == pytest.approx([5.5, 5.5])
    assert module.norm.running_mean.item() == pytest.approx(5.5)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    kept = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert kept["norm.running_mean"].item() == pytest.approx(5.5)
    assert kept["norm.num_batches_tracked"].item() == 6
