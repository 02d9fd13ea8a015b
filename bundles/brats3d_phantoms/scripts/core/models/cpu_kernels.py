# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Layers that stand in for PyTorch's own where its CPU kernels are slow or, in bfloat16, wrong.

All compute what they replace, keep its parameters and state names, and do nothing special on other
devices or in exported networks.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.jit import is_scripting, is_tracing
from torch.nn import functional

Convolve = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class InstanceNorm2d(nn.InstanceNorm2d):
    """Affine instance normalisation (Ulyanov et al. 2016) of ``(B, C, H, W)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise each channel of each sample."""
        if is_scripting():
            return functional.instance_norm(input, None, None, self.weight, self.bias, True, 0.0, self.eps)
        return _normalise(input, self.weight, self.bias, self.eps)


class InstanceNorm3d(nn.InstanceNorm3d):
    """Affine instance normalisation (Ulyanov et al. 2016) of ``(B, C, D, H, W)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise each channel of each sample."""
        if is_scripting():
            return functional.instance_norm(input, None, None, self.weight, self.bias, True, 0.0, self.eps)
        return _normalise(input, self.weight, self.bias, self.eps)


class Conv2d(nn.Conv2d):
    """Convolution of ``(B, C, H, W)``."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not is_scripting() and _hardly_exceeds_kernel(input, weight):
            return _in_float32(super()._conv_forward, input, weight, bias)
        return functional.conv2d(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)


class Conv3d(nn.Conv3d):
    """Convolution of ``(B, C, D, H, W)``."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not is_scripting() and _hardly_exceeds_kernel(input, weight):
            return _in_float32(super()._conv_forward, input, weight, bias)
        return functional.conv3d(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)


def adapt_to_cpu(network: nn.Module) -> nn.Module:
    """Make convolutions and affine instance normalisations of ``network`` the ones above, in place."""
    for module in network.modules():
        kind = type(module)
        if kind is nn.Conv2d and isinstance(module.padding, tuple):
            module.__class__ = Conv2d
        elif kind is nn.Conv3d and isinstance(module.padding, tuple):
            module.__class__ = Conv3d
        elif kind is nn.InstanceNorm2d and module.affine and not module.track_running_stats:
            module.__class__ = InstanceNorm2d
        elif kind is nn.InstanceNorm3d and module.affine and not module.track_running_stats:
            module.__class__ = InstanceNorm3d
    return network


def _runs_on_cpu(x: Tensor) -> bool:
    return x.device.type == "cpu" and not is_tracing() and not torch.compiler.is_compiling()


def _normalise(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Normalise each sample by the batch-normalisation kernel.

    For one sample both normalisations have the same statistics, but that kernel keeps the
    channels-last layout, where the one for instances rearranges memory before and after. It adds up
    in float32 one after the other, which costs the third decimal of large images: training does not
    mind, but predictions in float32 have their digits from :func:`_normalise_exactly`.
    """
    if not _runs_on_cpu(x):
        return functional.instance_norm(x, None, None, weight, bias, True, 0.0, eps)
    if x.dtype is torch.float32 and not torch.is_grad_enabled() and x.shape[2:].numel() > 1:
        return _normalise_exactly(x, weight, bias, eps)
    samples = x.split(1) if x.shape[0] > 1 else (x,)
    normalised = [functional.batch_norm(one, None, None, weight, bias, True, 0.0, eps) for one in samples]
    return torch.cat(normalised) if len(normalised) > 1 else normalised[0]


def _normalise_exactly(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Normalise in two passes whose sums are pairwise, in the layout of ``x``; not differentiable."""
    axes = tuple(range(2, x.ndim))
    of_channel = (-1, *[1] * len(axes))
    centred = x - x.mean(axes, keepdim=True)
    deviation = (centred.square().mean(axes, keepdim=True) + eps).sqrt()
    return centred.mul_(weight.view(of_channel) / deviation).add_(bias.view(of_channel))


def _hardly_exceeds_kernel(x: Tensor, weight: Tensor) -> bool:
    """Tell whether oneDNN may get the weight gradient wrong.

    Its bfloat16 kernels (seen with PyTorch 2.13 on AVX-512, Intel and AMD) read memory nobody wrote where
    an image side is no larger than the kernel, as on the coarsest level of small patches. Those of
    float32 are right.
    """
    return _runs_on_cpu(x) and any(side <= k for side, k in zip(x.shape[2:], weight.shape[2:], strict=True))


def _in_float32(convolve: Convolve, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve in float32; the result has the type it would have had."""
    wanted = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    with torch.autocast("cpu", enabled=False):
        result = convolve(x.float(), weight.float(), None if bias is None else bias.float())
    return result.to(wanted)
