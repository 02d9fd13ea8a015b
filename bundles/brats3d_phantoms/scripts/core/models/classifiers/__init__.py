# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Networks that tell images with tumour from images without, by name.

A classifier maps an image ``(B, C, *S)`` to two logits ``(B, 2)``: of "no tumour" and of "tumour".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import nn

from scripts.core.errors import ConfigError
from scripts.core.models.architecture import PARAMS_KEY, Architecture
from scripts.core.models.classifiers import resnet50, vit
from scripts.core.models.cpu_kernels import adapt_to_cpu
from scripts.core.models.memory_layout import lay_out
from scripts.core.registry import check_params, look_up

CLASSIFIERS: Mapping[str, Architecture] = MappingProxyType(
    {"resnet50": resnet50.ARCHITECTURE, "vit": vit.ARCHITECTURE}
)
CLASSES = ("no tumour", "tumour")

_GIVEN = {"spatial_dims", "in_channels", "out_channels"}


def build_classifier(
    name: str, *, spatial_dims: int, in_channels: int, params: Mapping[str, Any], size: Sequence[int]
) -> nn.Module:
    """Build a classifier with weights drawn from PyTorch's global generator, or from a file.

    Args:
        name: Key of :data:`CLASSIFIERS`.
        spatial_dims: 2 (slices) or 3 (volumes).
        in_channels: Channels of the image.
        params: Keyword parameters of the architecture.
        size: Size of the images, one number per axis.

    Raises:
        ConfigError: An unknown name or parameter, or a value or size that cannot work.
    """
    architecture = look_up(CLASSIFIERS, name, "model.name")
    check_params(architecture.build, params, PARAMS_KEY, _GIVEN)
    multiple = architecture.patch_multiple(architecture.complete(params), spatial_dims)
    valid = [max(2, -(-side // step)) * step for side, step in zip(size, multiple, strict=True)]
    if list(size) != valid:
        raise ConfigError(
            f"the images do not fit the down-sampling of {name}",
            where="patch.size",
            got=list(size),
            expected=f"sides divisible by {list(multiple)}, two cells of that size or more",
            remedy=f"the next valid size is {valid}",
        )
    network = architecture.build(
        spatial_dims=spatial_dims, in_channels=in_channels, out_channels=len(CLASSES), **params
    )
    return lay_out(adapt_to_cpu(network), spatial_dims)


__all__ = ["CLASSES", "CLASSIFIERS", "build_classifier"]
