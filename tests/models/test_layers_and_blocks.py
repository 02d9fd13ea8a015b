"""Layers against PyTorch's own, blocks against hand-made cases."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from brats3d.models.blocks import AttentionGate, BlockDesign
from brats3d.models.layers import initialise_he


def design(*, residual: bool = False, normalisation: str = "none") -> BlockDesign:
    return BlockDesign(3, "relu", normalisation, 0.0, 2, residual)


class TestResidualBlock:
    def test_without_its_body_it_is_the_activation_of_its_input(self) -> None:
        block = design(residual=True).block(4, 4, (3, 3, 3), (1, 1, 1))
        for parameter in block.parameters():
            nn.init.zeros_(parameter)
        x = torch.randn(1, 4, 4, 4, 4)
        assert torch.equal(block(x), x.relu())

    def test_projects_where_shapes_differ(self) -> None:
        block = design(residual=True).block(4, 6, (3, 3, 3), (2, 2, 1))
        assert block(torch.randn(1, 4, 4, 4, 4)).shape == (1, 6, 2, 2, 4)


class TestAttentionGate:
    @pytest.mark.parametrize(("score", "factor"), [(100.0, 1.0), (-100.0, 0.0), (0.0, 0.5)])
    def test_gate_scales_the_skip(self, score: float, factor: float) -> None:
        gate = AttentionGate(design(), skip=4, gating=6, stride=(2, 2, 2))
        nn.init.zeros_(gate.score.weight)
        nn.init.constant_(gate.score.bias, score)
        skip = torch.randn(2, 4, 8, 8, 8)
        torch.testing.assert_close(gate(skip, torch.randn(2, 6, 4, 4, 4)), factor * skip)

    def test_gate_lies_between_closed_and_open(self) -> None:
        torch.manual_seed(0)
        gate = AttentionGate(design(), skip=4, gating=6, stride=(2, 2, 1))
        initialise_he(gate)
        skip = torch.rand(1, 4, 8, 8, 4) + 0.1
        ratio = gate(skip, torch.randn(1, 6, 4, 4, 4)) / skip
        assert 0 <= ratio.min() < ratio.max() <= 1


def test_he_initialisation_keeps_the_variance() -> None:
    torch.manual_seed(0)
    layer = nn.Conv3d(32, 32, 3, padding=1)
    initialise_he(layer)
    x = torch.randn(1, 32, 12, 12, 12)
    assert nn.functional.leaky_relu(layer(x), 0.01).square().mean().item() == pytest.approx(1, rel=0.2)
    assert layer.bias.abs().max() == 0
