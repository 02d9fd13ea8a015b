"""A compiled network trains as the network itself; where it cannot be compiled the log says so."""

from __future__ import annotations

import contextlib
import logging
import shutil

import pytest
import torch
from torch import Tensor, nn

from brats3d.models import build_network
from brats3d.training import compilation
from brats3d.training.compilation import compiled_forward

SIDE = 16


class Supervised(nn.Module):
    """Two outputs, a buffer that changes in training, and chance."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm3d(4)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.dropout(self.norm(self.convolution(x)))
        return [x, x[..., ::2]]


def example() -> Tensor:
    return torch.randn(2, 2, SIDE, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def stand_in(failing: type[Exception] | None, when: str = "forward", message: str = "no compiler"):
    """A torch.compile that fails in one of the passes, or does nothing."""

    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx, gradient: Tensor) -> Tensor:
            assert failing is not None
            raise failing(message)

    def compile_(forward, **options: object):
        def compiled(batch: Tensor) -> object:
            if failing is not None and when == "forward":
                raise failing(message)
            outputs = forward(batch)
            return [Fails.apply(output) for output in outputs] if failing is not None else outputs

        return compiled

    return compile_


def test_nothing_but_the_program_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", stand_in(None))
    network = Supervised().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    forward = compiled_forward(network, example(), mode="default", context=contextlib.nullcontext)
    assert forward != network.__call__
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("when", ["forward", "backward"])
@pytest.mark.parametrize("failing", [RuntimeError, ImportError, OSError])
def test_a_failure_is_told_and_training_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failing: type[Exception], when: str
) -> None:
    monkeypatch.setattr(torch, "compile", stand_in(failing, when))
    network = Supervised().train()
    before = network.norm.running_mean.clone()
    forward = compiled_forward(network, example(), mode="default", context=contextlib.nullcontext)
    assert "could not be compiled" in caplog.text
    assert "no compiler" in caplog.text
    assert "trainer.compile" in caplog.text
    assert torch.equal(network.norm.running_mean, before)
    total = sum(output.sum() for output in forward(example()))
    total.backward()
    assert network.convolution.weight.grad is not None


def test_memory_that_runs_out_is_no_fault_of_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", stand_in(RuntimeError, "backward", "CUDA out of memory"))
    with pytest.raises(RuntimeError, match="out of memory"):
        compiled_forward(Supervised(), example(), mode="default", context=contextlib.nullcontext)


def test_the_mode_reaches_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def compile_(forward, **options: object):
        asked.update(options)
        return forward

    monkeypatch.setattr(compilation.torch, "compile", compile_)
    compiled_forward(Supervised(), example(), mode="reduce-overhead", context=contextlib.nullcontext)
    assert asked == {"mode": "reduce-overhead", "dynamic": False}


@pytest.mark.skipif(shutil.which("g++") is None, reason="this machine has no C++ compiler")
def test_compiled_and_plain_networks_have_the_same_gradients(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "brats3d")
    torch.manual_seed(0)
    params = {"filters": [4, 8], "deep_supervision": False}
    network = build_network("dynunet", spatial_dims=3, in_channels=2, out_channels=3, params=params).train()

    def gradients(forward) -> list[Tensor]:
        network.zero_grad()
        outputs = forward(example())
        outputs.square().mean().backward()
        return [weight.grad.clone() for weight in network.parameters()]

    plain = gradients(network)
    forward = compiled_forward(network, example(), mode="default", context=contextlib.nullcontext)
    assert "the network is compiled" in caplog.text
    for ours, theirs in zip(gradients(forward), plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)
