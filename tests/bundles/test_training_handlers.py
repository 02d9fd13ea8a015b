"""Which weights a training of a bundle keeps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from brats3d.bundles.scripts.training_handlers import BestWeights


class FakeEvaluator:
    """Gives scores in turn."""

    def __init__(self, *scores: float) -> None:
        self.scores = list(scores)
        self.data_loader = [0] * len(scores)
        self.state = SimpleNamespace(metrics={}, key_metric_name="dice")

    def run(self, epoch: int) -> None:
        self.state.metrics["dice"] = self.scores.pop(0)


def kept_epochs(path: Path, *scores: float, epochs: int, interval: int = 1, rank: int = 0) -> list[int]:
    """Epochs after which the file holds new weights, given the scores before and after epochs."""
    network = torch.nn.Linear(1, 1)
    handler = BestWeights(network, FakeEvaluator(*scores), str(path), interval)
    engine = SimpleNamespace(state=SimpleNamespace(epoch=0, max_epochs=epochs, rank=rank))
    handler.begin(engine)
    kept = []
    for epoch in range(1, epochs + 1):
        engine.state.epoch = epoch
        torch.nn.init.constant_(network.weight, epoch)
        handler.after_epoch(engine)
        if path.exists():
            value = int(torch.load(path, weights_only=True)["model"]["weight"])
            kept += [value] if value == epoch else []
    return kept


def test_weights_are_kept_when_they_are_as_good_as_any_before(tmp_path: Path) -> None:
    assert kept_epochs(tmp_path / "a.pt", 0.5, 0.4, 0.6, 0.6, 0.5, epochs=4) == [2, 3]
    assert kept_epochs(tmp_path / "b.pt", 0.9, 0.4, 0.5, epochs=2) == []
    assert not (tmp_path / "b.pt").exists()


def test_the_last_epoch_validates_whatever_the_interval(tmp_path: Path) -> None:
    assert kept_epochs(tmp_path / "a.pt", 0.1, 0.2, 0.3, epochs=5, interval=3) == [3, 5]


def test_without_validation_cases_the_last_weights_are_kept(tmp_path: Path) -> None:
    assert kept_epochs(tmp_path / "a.pt", epochs=3) == [3]


def test_networks_that_are_not_trained_with_it_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("model.ts", "model.onnx", "notes.txt"):
        (tmp_path / name).touch()
    with caplog.at_level("WARNING"):
        kept_epochs(tmp_path / "model.pt", epochs=1)
    named = {record.args[0].name for record in caplog.records}
    assert named == {"model.ts", "model.onnx"}


def test_one_of_several_processes_writes(tmp_path: Path) -> None:
    assert kept_epochs(tmp_path / "a.pt", 0.1, 0.2, epochs=1, rank=1) == []
