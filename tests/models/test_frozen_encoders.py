"""A frozen encoder keeps weights and statistics through training steps; the decoder learns."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from brats3d.models import build_network

NETWORKS = {
    "vgg19_unet": {"encoder": "vgg19_bn", "filters": [4] * 5},
    "resnet50_unet": {"width": 4, "filters": [4] * 5},
    "multiscale_attention_unet": {"width": 0.1, "depth": 0.1, "filters": [4] * 5},
}


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_step_changes(name: str, frozen: bool) -> None:
    torch.manual_seed(0)
    params = {**NETWORKS[name], "freeze_encoder": frozen}
    network = build_network(name, spatial_dims=2, in_channels=2, out_channels=1, params=params)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    network(torch.randn(2, 2, 64, 64)).square().mean().backward()
    optimiser.step()
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    of_encoder = {key for key in changed if key.startswith("encoder.")}
    assert changed - of_encoder
    assert bool(of_encoder) is not frozen


def test_a_frozen_encoder_answers_alike_in_training_and_inference() -> None:
    torch.manual_seed(0)
    params = {**NETWORKS["multiscale_attention_unet"], "path_dropout": 0.5, "freeze_encoder": True}
    network = build_network(
        "multiscale_attention_unet", spatial_dims=2, in_channels=1, out_channels=1, params=params
    )
    image = torch.randn(4, 1, 64, 64)
    answers = [network.train(mode).encoder(image) for mode in (True, False, True)]
    assert torch.equal(answers[0], answers[1])
    assert torch.equal(answers[0], answers[2])
    assert isinstance(network.head, nn.Conv2d)
    assert network.head.training
