"""Layout of memory: where channels come last, and that the result does not depend on it."""

from __future__ import annotations

import pytest
import torch

from brats3d.models import build_network, lay_out


def network(normalisation: str) -> torch.nn.Module:
    torch.manual_seed(0)
    params = {"filters": [4, 8], "normalisation": normalisation}
    return build_network("unet", spatial_dims=3, in_channels=4, out_channels=3, params=params).eval()


@pytest.mark.parametrize(
    ("normalisation", "device", "compiled", "asked", "last"),
    [
        ("instance", "cpu", False, None, True),
        ("instance", "cuda", False, None, False),
        ("instance", "cuda", True, None, True),
        ("batch", "cuda", False, None, True),
        ("instance", "cuda", False, True, True),
        ("instance", "cpu", False, False, False),
    ],
)
def test_layout(normalisation: str, device: str, compiled: bool, asked: bool | None, last: bool) -> None:
    made = network(normalisation)
    image = torch.randn(1, 4, 16, 16, 16)
    before = made(image)
    assert lay_out(made, 3, device=device, compiled=compiled, channels_last=asked) is made
    after = made(image)
    kernels = [weight for weight in made.parameters() if weight.ndim == 5 and min(weight.shape[1:]) > 1]
    assert kernels
    for weight in kernels:
        assert weight.is_contiguous(memory_format=torch.channels_last_3d) == last
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)
