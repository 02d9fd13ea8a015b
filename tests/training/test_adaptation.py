"""The steps of an adversarial adaptation: what moves, what does not, and when it ends."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from brats3d.models import build_network
from brats3d.models.discriminator import build_discriminator
from brats3d.models.encoder_parts import encoder_parts
from brats3d.training.adaptation import AdversarialAdaptation
from brats3d.training.domain_gap import SmallestGap, domain_gap

SHIFT = 3.0


def first_level(network: nn.Module, image: Tensor) -> Tensor:
    return network.encoder[0](image)


def adaptation(rate: float = 1e-3) -> AdversarialAdaptation:
    torch.manual_seed(0)
    params = {"filters": [4, 8], "normalisation": "batch"}
    source = build_network("unet", spatial_dims=2, in_channels=2, out_channels=1, params=params)
    network = copy.deepcopy(source)
    return AdversarialAdaptation(
        source,
        network,
        encoder_parts("unet", network),
        build_discriminator(2, 4, (4, 8)),
        first_level,
        rate=rate,
        discriminator_rate=2e-2,
    )


def images(count: int = 16) -> list[dict[str, Tensor]]:
    """Pairs of images; those of the target are brighter."""
    made = torch.Generator().manual_seed(1)
    own, other = (torch.randn(count, 2, 16, 16, generator=made) for _ in range(2))
    return [{"source": a, "target": SHIFT + b} for a, b in zip(own, other, strict=True)]


def train(
    module: AdversarialAdaptation, folder: Path, *, epochs: int = 1, callbacks: tuple[pl.Callback, ...] = ()
) -> pl.Trainer:
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
        default_root_dir=folder,
        log_every_n_steps=1,
    )
    trainer.fit(module, DataLoader(images(), batch_size=8))
    return trainer


def test_two_steps_move_encoder_and_discriminator_alone(tmp_path: Path) -> None:
    module = adaptation()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    train(module, tmp_path)
    moved = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.split(".")[0] for name in moved} == {"network", "discriminator"}
    assert all(name.startswith(("network.encoder.", "discriminator.")) for name in moved)
    assert not [name for name in moved if "running" in name]


def test_the_discriminator_learns_to_tell_what_can_be_told(tmp_path: Path) -> None:
    module = adaptation(rate=1e-12)
    first = train(module, tmp_path).callback_metrics["train/discriminator_loss"]
    last = train(module, tmp_path, epochs=30).callback_metrics["train/discriminator_loss"]
    assert last < 0.8 * first
    assert module.right[-1] > 0.9


def test_the_encoder_follows_the_discriminator(tmp_path: Path) -> None:
    module = adaptation(rate=3e-3)
    source = torch.stack([pair["source"] for pair in images()])
    target = torch.stack([pair["target"] for pair in images()])

    def gap() -> float:
        own, other = module.source.eval(), module.network.eval()
        with torch.no_grad():
            return domain_gap(first_level(own, source), first_level(other, target))

    before = gap()
    train(module, tmp_path, epochs=30)
    assert gap() < before


def test_the_discriminator_is_lipschitz() -> None:
    torch.manual_seed(0)
    network = build_discriminator(2, 3, (4, 8)).train()
    for _ in range(20):  # the power iteration of the norm goes on with each call
        network(torch.randn(1, 3, 16, 16))
    network.eval()
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            norm = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
            assert norm == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("dims", [2, 3])
def test_the_discriminator_judges_neighbourhoods(dims: int) -> None:
    answers = build_discriminator(dims, 3)(torch.randn(2, 3, *(16,) * dims))
    assert answers.shape == (2, 1, *(4,) * dims)


def test_the_gap_of_a_set_to_itself_is_nothing_and_grows_with_the_shift() -> None:
    features = torch.randn(8, 2, 6, 6, generator=torch.Generator().manual_seed(0))
    gaps = [domain_gap(features, features + shift) for shift in (0.0, 0.1, 0.5)]
    assert gaps[0] == 0
    assert gaps[0] < gaps[1] < gaps[2]


class GapsOf(SmallestGap):
    """Sees given gaps."""

    def __init__(self, values: list[float], folder: Path, patience: int) -> None:
        pairs = images(2)
        super().__init__(
            [pair["source"] for pair in pairs], [pair["target"] for pair in pairs], folder, patience=patience
        )
        self.values = iter(values)

    def measured(self, module: AdversarialAdaptation) -> float:
        return next(self.values)


def test_it_ends_when_the_gap_has_not_become_smaller(tmp_path: Path) -> None:
    watch = GapsOf([5.0, 3.0, 4.0, 3.5, 1.0], tmp_path, patience=2)
    trainer = train(adaptation(), tmp_path, epochs=9, callbacks=(watch,))
    assert watch.gaps == [5.0, 3.0, 4.0, 3.5]
    assert watch.best == 1
    assert trainer.current_epoch == 3


def test_the_weights_of_the_source_are_kept_where_none_are_closer(tmp_path: Path) -> None:
    module = adaptation()
    before = {name: value.clone() for name, value in module.network.state_dict().items()}
    train(module, tmp_path, epochs=2, callbacks=(GapsOf([1.0, 2.0, 2.0], tmp_path, patience=5),))
    kept = torch.load(tmp_path / "best.ckpt", weights_only=True)["state_dict"]
    assert set(kept) == {f"network.{name}" for name in before}
    assert all(torch.equal(kept[f"network.{name}"], value) for name, value in before.items())
