# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Networks by name.

A network maps an image ``(B, C, *S)`` to logits ``(B, out_channels, *S)``. With deep supervision it
returns a list of logits, finest first and each at its own resolution, in training mode only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import nn

from scripts.core.errors import ConfigError
from scripts.core.models import (
    attention_unet,
    dynunet,
    fcn,
    multiscale_attention_unet,
    residual_unet,
    resnet50_unet,
    segnet,
    segresnet,
    swin_unetr,
    transunet,
    two_path,
    unet,
    unet_plus_plus,
    vgg19_unet,
)
from scripts.core.models.architecture import PARAMS_KEY, Architecture
from scripts.core.models.cpu_kernels import adapt_to_cpu
from scripts.core.models.heads import Head
from scripts.core.models.memory_layout import lay_out
from scripts.core.registry import check_params, look_up

MODELS: Mapping[str, Architecture] = MappingProxyType(
    {
        "unet": unet.ARCHITECTURE,
        "attention_unet": attention_unet.ARCHITECTURE,
        "residual_unet": residual_unet.ARCHITECTURE,
        "dynunet": dynunet.ARCHITECTURE,
        "segresnet": segresnet.ARCHITECTURE,
        "swin_unetr": swin_unetr.ARCHITECTURE,
        "unet_plus_plus": unet_plus_plus.ARCHITECTURE,
        "transunet": transunet.ARCHITECTURE,
        "segnet": segnet.ARCHITECTURE,
        "fcn": fcn.ARCHITECTURE,
        "two_path": two_path.ARCHITECTURE,
        "vgg19_unet": vgg19_unet.ARCHITECTURE,
        "resnet50_unet": resnet50_unet.ARCHITECTURE,
        "multiscale_attention_unet": multiscale_attention_unet.ARCHITECTURE,
    }
)

_GIVEN = {"spatial_dims", "in_channels", "out_channels"}


def _architecture(name: str, params: Mapping[str, Any], spatial_dims: int) -> Architecture:
    architecture = look_up(MODELS, name, "model.name")
    check_params(architecture.build, params, PARAMS_KEY, _GIVEN)
    if spatial_dims not in (2, 3):
        raise ConfigError("networks have two or three spatial axes", got=spatial_dims, expected="2 or 3")
    return architecture


def build_network(
    name: str, *, spatial_dims: int, in_channels: int, out_channels: int, params: Mapping[str, Any]
) -> nn.Module:
    """Build a network.

    Weights are drawn from PyTorch's global generator and laid out as is fast on CPUs
    (:func:`~brats3d.models.memory_layout.lay_out` changes that).

    Args:
        name: Key of :data:`MODELS`.
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        params: Keyword parameters of the architecture.

    Raises:
        ConfigError: An unknown name or parameter, or a value that cannot work.
    """
    architecture = _architecture(name, params, spatial_dims)
    network = architecture.build(
        spatial_dims=spatial_dims, in_channels=in_channels, out_channels=out_channels, **params
    )
    return lay_out(adapt_to_cpu(network), spatial_dims)


def valid_patch_multiple(name: str, params: Mapping[str, Any], spatial_dims: int) -> tuple[int, ...]:
    """Return the number that each side of a patch must be divisible by.

    Raises:
        ConfigError: An unknown name or parameter, or a value that cannot work.
    """
    architecture = _architecture(name, params, spatial_dims)
    return architecture.patch_multiple(architecture.complete(params), spatial_dims)


def check_patch_size(
    name: str, params: Mapping[str, Any], patch_size: Sequence[int], *, where: str = "patch.size"
) -> None:
    """Check that a patch fits the down-sampling of a network.

    Sides must be divisible by :func:`valid_patch_multiple`, and at the coarsest level more than one
    pixel must remain, as one alone has no variance to normalise by.

    Args:
        name: Key of :data:`MODELS`.
        params: Keyword parameters of the architecture.
        patch_size: Voxels along each axis.
        where: Configuration key that an error names.

    Raises:
        ConfigError: The patch does not fit; the message names the next size that does.
    """
    multiple = valid_patch_multiple(name, params, len(patch_size))
    cells = [max(1, -(-side // step)) for side, step in zip(patch_size, multiple, strict=True)]
    if all(count == 1 for count in cells):
        cells = [2] * len(cells)
    valid = [count * step for count, step in zip(cells, multiple, strict=True)]
    if list(patch_size) != valid:
        raise ConfigError(
            f"the patch does not fit the down-sampling of {name}",
            where=where,
            got=list(patch_size),
            expected=f"sides divisible by {list(multiple)}, with more than one cell of that size",
            remedy=f"the next valid size is {valid}",
        )


__all__ = [
    "MODELS",
    "Architecture",
    "Head",
    "build_network",
    "check_patch_size",
    "lay_out",
    "valid_patch_multiple",
]
