"""Classifiers: shapes, gradients, frozen encoders, and what cannot work."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from brats3d.errors import ConfigError
from brats3d.models.classifiers import CLASSIFIERS, build_classifier

SMALL: dict[str, dict[str, Any]] = {
    "resnet50": {"width": 2, "hidden": 8},
    "vit": {"patch": 8, "hidden_size": 8, "layers": 1, "heads": 2, "positions": 3},
}


def small(name: str, dims: int, side: int = 64, **params: Any) -> nn.Module:
    torch.manual_seed(0)
    return build_classifier(
        name, spatial_dims=dims, in_channels=3, params=SMALL[name] | params, size=(side,) * dims
    )


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_images_become_two_logits_and_each_weight_learns(name: str, dims: int) -> None:
    network = small(name, dims)
    logits = network(torch.randn(2, 3, *[64] * dims))
    assert logits.shape == (2, 2)
    nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_the_head_of_resnet50_has_two_dense_layers_of_256() -> None:
    network = build_classifier("resnet50", spatial_dims=2, in_channels=1, params={}, size=(64, 64))
    sizes = [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]
    assert sizes == [(2048, 256), (256, 256), (256, 2)]
    assert sum(isinstance(module, nn.Dropout) for module in network.modules()) == 2


def test_a_frozen_encoder_stays_as_it_is() -> None:
    network = small("resnet50", 2, freeze_encoder=True).train()
    before = {name: value.clone() for name, value in network.encoder.state_dict().items()}
    network(torch.randn(4, 3, 64, 64)).sum().backward()
    assert all(weight.grad is None for weight in network.encoder.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.encoder.state_dict().items())


def test_a_small_transformer_learns_to_find_a_bright_spot() -> None:
    network = small("vit", 2, side=16, dropout=0.0)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(32, 3, 16, 16, generator=generator)
    labels = torch.arange(32) % 2
    images[labels == 1, :, 8:, :8] += 4
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(40):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimiser.step()
    assert (network.eval()(images).argmax(1) == labels).all()


@pytest.mark.parametrize(
    ("name", "params", "size", "named"),
    [
        ("resnet5", {}, (64, 64), "did you mean 'resnet50'"),
        ("resnet50", {"widths": 3}, (64, 64), "did you mean 'width'"),
        ("resnet50", {"hidden": 0}, (64, 64), "model.params.hidden"),
        ("resnet50", {}, (48, 64), r"\[64, 64\]"),
        ("resnet50", {}, (32, 32), r"\[64, 64\]"),
        ("vit", {"heads": 3, "hidden_size": 8}, (64, 64), "model.params.heads"),
        ("vit", {"patch": 0}, (64, 64), "model.params.patch"),
        ("vit", {"dropout": 1.0}, (64, 64), "model.params.dropout"),
    ],
)
def test_what_cannot_work_is_said(name: str, params: dict[str, Any], size: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        build_classifier(name, spatial_dims=2, in_channels=1, params=params, size=size)
