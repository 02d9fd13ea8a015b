"""The moving average of weights against its closed form."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import weight_averaging
from torch.utils.data import DataLoader

from brats3d.training.averaging import MovingAverage


class Line(pl.LightningModule):
    """One weight that is given a new value at every step, and a buffer that counts."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.values = iter(values)
        self.weight = torch.nn.Parameter(torch.tensor(9.0))
        self.register_buffer("seen", torch.tensor(0))
        self.validated_with: list[float] = []

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        self.seen += 1
        return self.weight * 0.0

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.validated_with.append(self.weight.item())

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure) -> None:
        optimizer.step(optimizer_closure)
        with torch.no_grad():
            self.weight.fill_(next(self.values))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.0)


def averages(values: list[float], decay: float) -> list[float]:
    made = [values[0]]
    for step, value in enumerate(values[1:], start=1):
        kept = min(decay, (1 + step) / (10 + step))
        made.append(kept * made[-1] + (1 - kept) * value)
    return made


@pytest.mark.parametrize("decay", [0.0, 0.25, 0.999])
def test_average_is_the_closed_form(tmp_path: Path, decay: float) -> None:
    values = [1.0, -2.0, 5.0, 0.5, 3.0, 8.0]
    module = Line(values)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=3,
        callbacks=[MovingAverage(decay)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, DataLoader(torch.zeros(2)), DataLoader(torch.zeros(1)))
    expected = averages(values, decay)
    # Two steps per epoch; validation sees the average, and it is what remains.
    assert module.validated_with == pytest.approx(expected[1::2], rel=1e-6)
    assert module.weight.item() == pytest.approx(expected[-1], rel=1e-6)
    assert int(module.seen) == 6


def test_the_average_is_where_the_training_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    class Recorded(weight_averaging.AveragedModel):
        def __init__(self, model: torch.nn.Module, device: object, **options: object) -> None:
            asked["device"] = device  # a GPU, which this machine need not have
            super().__init__(model, device="cpu", **options)

    monkeypatch.setattr(weight_averaging, "AveragedModel", Recorded)
    average = MovingAverage(0.9)
    gpu = torch.device("cuda", 1)
    trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=gpu))
    average.setup(trainer, Line([1.0]), "fit")  # the module is still on the CPU
    assert asked["device"] == gpu
    assert average._average_model.n_averaged.device.type == "cpu"
