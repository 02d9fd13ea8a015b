"""Stand-ins for PyTorch layers compute what the originals do."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from brats3d.models import cpu_kernels
from brats3d.models.cpu_kernels import adapt_to_cpu

CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def value_and_gradients(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Output and the gradients of a fixed function of it."""
    leaf = x.clone().requires_grad_()
    output = layer(leaf)
    factors = 1 + torch.sin(torch.arange(output.numel()).view(output.shape))
    gradients = torch.autograd.grad((output * factors).sum(), [leaf, *layer.parameters()])
    return [output, *gradients]


def fill_free_memory_with_nan() -> None:
    """Make kernels that read what nobody wrote betray themselves."""
    junk = [torch.full((2**exponent,), float("nan")) for exponent in range(6, 18) for _ in range(50)]
    del junk


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("kind", "sides"), [(nn.InstanceNorm2d, (5, 4)), (nn.InstanceNorm3d, (5, 4, 3))])
@pytest.mark.parametrize("channels_last", [False, True])
def test_instance_norm_equals_the_original(
    batch: int, kind: type[nn.Module], sides: tuple[int, ...], channels_last: bool
) -> None:
    torch.manual_seed(0)
    original = kind(6, affine=True)
    nn.init.normal_(original.weight)
    nn.init.normal_(original.bias)
    x = 3 + 2 * torch.randn(batch, 6, *sides)
    if channels_last:
        x = x.to(memory_format=CHANNELS_LAST[x.ndim])
    adapted = adapt_to_cpu(copy.deepcopy(original))
    assert type(adapted).__module__ == cpu_kernels.__name__
    assert list(adapted.state_dict()) == list(original.state_dict())
    for expected, found in zip(
        value_and_gradients(original, x), value_and_gradients(adapted, x), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(adapted.train()(x), adapted.eval()(x))


@pytest.mark.parametrize("batch", [1, 2])
def test_predictions_in_float32_keep_their_digits_on_large_half_blank_images(batch: int) -> None:
    x = 5 + 2 * torch.randn(batch, 4, 64, 64, 64, generator=torch.Generator().manual_seed(0))
    x[..., :32] = 0
    original = nn.InstanceNorm3d(4, affine=True)
    nn.init.constant_(original.weight, 2.0)
    nn.init.constant_(original.bias, -1.0)
    adapted = adapt_to_cpu(copy.deepcopy(original))
    with torch.inference_mode():
        found = adapted(x.to(memory_format=torch.channels_last_3d))
        torch.testing.assert_close(found.double(), original.double()(x.double()), rtol=0, atol=5e-6)
    assert found.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize(
    "layer",
    [nn.InstanceNorm3d(4), nn.InstanceNorm3d(4, affine=True, track_running_stats=True), nn.BatchNorm3d(4)],
)
def test_other_normalisations_are_left_alone(layer: nn.Module) -> None:
    kind = type(layer)
    assert type(adapt_to_cpu(layer)) is kind


def test_one_voxel_has_no_variance() -> None:
    with pytest.raises(ValueError, match="more than 1"):
        adapt_to_cpu(nn.InstanceNorm3d(3, affine=True))(torch.randn(1, 3, 1, 1, 1))


@pytest.mark.parametrize(
    ("sides", "kernel", "stride"),
    [
        ((2, 4, 4), 3, 1),
        ((2, 1, 1), 3, 1),
        ((2, 2, 2), 3, 1),
        ((6, 6, 1), 3, 2),
        ((3, 6, 6), 5, 1),
        ((6, 6, 6), 3, 1),
        ((6, 5, 4), (3, 3, 1), (2, 2, 1)),
        ((6, 1), 3, 2),
        ((2, 2), 3, 1),
        ((6, 7), 3, 1),
    ],
)
@pytest.mark.parametrize("bias", [False, True])
class TestConvolution:
    def layers(
        self, sides: tuple[int, ...], kernel: object, stride: object, bias: bool
    ) -> tuple[nn.Module, ...]:
        torch.manual_seed(0)
        kind = nn.Conv3d if len(sides) == 3 else nn.Conv2d
        kernels = (kernel,) * len(sides) if isinstance(kernel, int) else kernel
        padding = tuple(side // 2 for side in kernels)
        original = kind(16, 8, kernel, stride, padding, bias=bias)
        return original, adapt_to_cpu(copy.deepcopy(original)).to(memory_format=CHANNELS_LAST[len(sides) + 2])

    def test_equals_the_original(
        self, sides: tuple[int, ...], kernel: object, stride: object, bias: bool
    ) -> None:
        original, adapted = self.layers(sides, kernel, stride, bias)
        x = torch.randn(2, 16, *sides)
        for expected, found in zip(
            value_and_gradients(original, x), value_and_gradients(adapted, x), strict=True
        ):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)

    def test_bfloat16_gradients_follow_float32(
        self, sides: tuple[int, ...], kernel: object, stride: object, bias: bool
    ) -> None:
        original, adapted = self.layers(sides, kernel, stride, bias)
        x = torch.randn(2, 16, *sides)
        expected = value_and_gradients(original, x)
        fill_free_memory_with_nan()
        with torch.autocast("cpu", torch.bfloat16):
            found = value_and_gradients(adapted, x)
        for reference, value in zip(expected, found, strict=True):
            error = (value.float() - reference).abs().max() / reference.abs().max()
            assert error < 0.05
