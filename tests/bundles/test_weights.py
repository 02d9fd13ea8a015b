"""Weights of a bundle: tensors alone, layers of PyTorch alone."""

from __future__ import annotations

import pytest
import torch

from brats3d.bundles.weights import with_plain_layers
from brats3d.models import build_network, cpu_kernels


@pytest.mark.parametrize(("name", "dims"), [("unet", 3), ("attention_unet", 2), ("segresnet", 3)])
def test_plain_layers_compute_the_same(name: str, dims: int) -> None:
    params = {"filters": [4, 8]} | ({"blocks_down": [1, 1], "blocks_up": [1]} if name == "segresnet" else {})
    network = build_network(name, spatial_dims=dims, in_channels=2, out_channels=3, params=params).train()
    plain = with_plain_layers(network)
    kinds = {type(module) for module in network.modules()}
    special = {kind for kind in kinds if kind.__module__ == cpu_kernels.__name__}
    assert len(special) == 2
    assert all(type(module).__module__ != cpu_kernels.__name__ for module in plain.modules())
    assert {type(module) for module in plain.modules()} >= {kind.__mro__[1] for kind in special}
    assert network.training
    assert not plain.training
    image = torch.randn(1, 2, *[16] * dims, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(plain(image), network.eval()(image), atol=1e-4, rtol=1e-4)
