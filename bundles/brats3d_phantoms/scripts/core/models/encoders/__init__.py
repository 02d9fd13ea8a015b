# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Encoders of published image classifiers, with torchvision's names of the weights.

An :class:`~brats3d.models.encoders.encoder.Encoder` maps an image ``(B, C, *S)`` to its last feature map;
its method ``levels`` gives the feature maps of all resolutions. For a classifier, pool what ``forward``
returns and put linear layers on it::

    encoder = build_encoder("resnet50", in_channels=1, pretrained="resnet50.pth")
    features = encoder(image)  # (B, encoder.channels[-1], *S / encoder.strides[-1])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from scripts.core.models.architecture import PARAMS_KEY
from scripts.core.models.encoders.efficientnet import SCALINGS, build_efficientnet
from scripts.core.models.encoders.encoder import Encoder
from scripts.core.models.encoders.pretrained import load_pretrained
from scripts.core.models.encoders.resnet import build_resnet50
from scripts.core.models.encoders.vgg import build_vgg19
from scripts.core.registry import look_up

ENCODERS: Mapping[str, Callable[..., Encoder]] = MappingProxyType(
    {
        "vgg19": build_vgg19,
        "vgg19_bn": partial(build_vgg19, normalised=True),
        "resnet50": build_resnet50,
        **{name: partial(build_efficientnet, name) for name in SCALINGS},
    }
)


def build_encoder(
    name: str,
    *,
    spatial_dims: int = 2,
    in_channels: int = 3,
    pretrained: str | None = None,
    **settings: Any,
) -> Encoder:
    """Build an encoder, with weights from a file or freshly drawn from PyTorch's global generator.

    Args:
        name: Key of :data:`ENCODERS`.
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        pretrained: State dict of that network as torchvision names its weights (two dimensions only).
        settings: Further parameters of the encoder, such as ``width`` of ResNet50.

    Raises:
        ConfigError: An unknown name, a number that cannot work, or a file that does not fit.
        MissingExtraError: The file needs a package that is not installed.
    """
    build = look_up(ENCODERS, name, f"{PARAMS_KEY}.encoder")
    encoder = build(spatial_dims=spatial_dims, in_channels=in_channels, **settings)
    if pretrained is not None:
        load_pretrained(encoder, pretrained)
    return encoder


__all__ = [
    "ENCODERS",
    "Encoder",
    "build_efficientnet",
    "build_encoder",
    "build_resnet50",
    "build_vgg19",
    "load_pretrained",
]
