"""Back to the best weights when a validation is worse, at a lower rate."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from brats3d.assembly.training import build_trainer
from brats3d.config import load_config
from brats3d.errors import ConfigError
from brats3d.training.dwell import Dwell


class Module:
    def __init__(self) -> None:
        self.network = torch.nn.Linear(2, 1, bias=False)
        self.rate = 1.0

    def lower_rate(self, factor: float) -> None:
        self.rate *= factor

    def train_to(self, value: float) -> None:
        with torch.no_grad():
            self.network.weight.fill_(value)

    @property
    def value(self) -> float:
        return float(self.network.weight[0, 0].detach())


def validated(dwell: Dwell, module: Any, loss: float | None) -> None:
    metrics = {} if loss is None else {"val/loss": torch.tensor(loss)}
    trainer = SimpleNamespace(callback_metrics=metrics, sanity_checking=False, is_global_zero=True)
    dwell.on_validation_end(trainer, module)  # type: ignore[arg-type]


def test_weights_and_rate() -> None:
    dwell, module = Dwell(0.5), Module()
    course = [(1.0, 0.9, 1.0, 1.0), (2.0, 0.8, 2.0, 1.0), (3.0, 0.85, 2.0, 0.5), (4.0, 0.8, 2.0, 0.25)]
    for weight, loss, kept, rate in [*course, (5.0, 0.7, 5.0, 0.25)]:
        module.train_to(weight)
        validated(dwell, module, loss)
        assert (module.value, module.rate) == (kept, rate)


def test_nothing_happens_without_a_validation_loss() -> None:
    dwell, module = Dwell(0.5), Module()
    module.train_to(1.0)
    validated(dwell, module, None)
    assert (module.value, module.rate, dwell.state_dict()["weights"]) == (1.0, 1.0, {})


def test_a_resumed_training_goes_back_to_the_same_weights() -> None:
    dwell, module = Dwell(0.5), Module()
    module.train_to(1.0)
    validated(dwell, module, 0.5)
    resumed = Dwell(0.5)
    resumed.load_state_dict(dwell.state_dict())
    module.train_to(2.0)
    validated(resumed, module, 0.6)
    assert module.value == 1.0


@pytest.mark.parametrize(
    ("overrides", "where"),
    [
        ({"optim__dwell": 1.0, "optim__ema_decay": None}, "optim.dwell"),
        ({"optim__dwell": 0.5}, "optim.ema_decay"),
        ({"optim__dwell": 0.5, "optim__ema_decay": None, "trainer__strategy": "fsdp2"}, "trainer.strategy"),
        ({"trainer__early_stopping_patience": 0}, "trainer.early_stopping_patience"),
    ],
)
def test_settings_that_cannot_work(tmp_path: Any, overrides: dict, where: str) -> None:
    from brats3d.assembly import build_clock, hardware

    config = load_config(None, **overrides)
    machine = hardware("cpu", "32-true")
    with pytest.raises(ConfigError) as caught:
        build_trainer(config, machine, build_clock(config, 0.0), tmp_path)
    assert caught.value.where == where
