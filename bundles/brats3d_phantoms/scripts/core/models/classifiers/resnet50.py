# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""ResNet50 (He et al. 2016) with two dense layers on the average of its last feature map."""

from __future__ import annotations

from torch import Tensor, nn

from scripts.core.errors import ConfigError
from scripts.core.models.architecture import PARAMS_KEY, Architecture, check_fraction
from scripts.core.models.encoder_unet import constant_multiple
from scripts.core.models.encoders import Encoder, build_encoder

STRIDE = 32


class PooledClassifier(nn.Module):
    """Encoder, global average pooling, two dense layers with dropout, and one for the logits."""

    def __init__(
        self, encoder: Encoder, hidden: int, outputs: int, dropout: float, *, freeze_encoder: bool
    ) -> None:
        """Put a head on an encoder; a frozen one is left as it is by a training, statistics included."""
        super().__init__()
        self.encoder = encoder.requires_grad_(not freeze_encoder)
        self.freeze_encoder = freeze_encoder
        self.head = nn.Sequential(
            nn.Linear(encoder.channels[-1], hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, outputs),
        )

    def train(self, mode: bool = True) -> PooledClassifier:
        """Switch to training, or to inference; a frozen encoder stays in inference."""
        super().train(mode)
        if self.freeze_encoder:
            self.encoder.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits ``(B, outputs)`` of images ``(B, C, *S)``."""
        return self.head(self.encoder(x).flatten(2).mean(2))


def build_resnet50_classifier(
    *,
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    width: int = 64,
    hidden: int = 256,
    dropout: float = 0.3,
    pretrained: str | None = None,
    freeze_encoder: bool = False,
) -> nn.Module:
    """Build a classifier whose encoder can start from weights of ImageNet.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Logits.
        width: Channels of the encoder's first convolution; ``pretrained`` fits the default only.
        hidden: Channels of each of the two dense layers.
        dropout: Probability of dropping one of their channels.
        pretrained: State dict of the encoder as torchvision names its weights; read when a training
            starts, and not needed afterwards.
        freeze_encoder: Whether only the head is trained, as on a ``pretrained`` encoder.

    Raises:
        ConfigError: A parameter that cannot work.
    """
    if hidden < 1:
        raise ConfigError("no channels", where=f"{PARAMS_KEY}.hidden", got=hidden, expected="1 or more")
    encoder = build_encoder(
        "resnet50", spatial_dims=spatial_dims, in_channels=in_channels, pretrained=pretrained, width=width
    )
    fraction = check_fraction(dropout, "dropout")
    return PooledClassifier(encoder, hidden, out_channels, fraction, freeze_encoder=freeze_encoder).train()


ARCHITECTURE = Architecture(build_resnet50_classifier, constant_multiple(STRIDE))
