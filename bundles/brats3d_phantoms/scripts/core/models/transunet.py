# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""U-Net with a vision transformer at its coarsest level, after TransUNet (Chen et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from scripts.core.errors import ConfigError
from scripts.core.models.architecture import PARAMS_KEY, Architecture, check_filters, check_fraction
from scripts.core.models.blocks import BlockDesign
from scripts.core.models.encoder_decoder import EncoderDecoder, isotropic, multiple_of_halvings
from scripts.core.models.transformer import TransformerBridge


def build_transunet(
    *,
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    hidden_size: int = 192,
    layers: int = 4,
    heads: int = 6,
    positions: int = 8,
    activation: str = "relu",
    normalisation: str = "instance",
    dropout: float = 0.0,
    deep_supervision: bool = False,
) -> nn.Module:
    """Build a residual U-Net whose coarsest features pass a transformer; its authors' has 12 layers of 768.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        filters: Channels per level of the convolutions, finest first; each level halves the sides.
        hidden_size: Channels of a token.
        layers: Transformer layers.
        heads: Attention heads; they divide ``hidden_size``.
        positions: Cells along each axis of the grid on which positions are learned; a side of a patch
            divided by the stride of the network, so that nothing is interpolated in training.
        activation: ``relu``, ``prelu`` or ``leakyrelu``, of the convolutions.
        normalisation: ``instance``, ``batch`` or ``none``, of the convolutions.
        dropout: Probability of dropping a value in the transformer.
        deep_supervision: Whether coarser levels are supervised in training, too.

    Raises:
        ConfigError: A parameter that cannot work.
    """
    filters = check_filters(filters)
    _check_sizes(hidden_size=hidden_size, layers=layers, heads=heads, positions=positions)
    bridge = TransformerBridge(
        spatial_dims,
        filters[-1],
        hidden_size=hidden_size,
        layers=layers,
        heads=heads,
        positions=positions,
        dropout=check_fraction(dropout, "dropout"),
    )
    return EncoderDecoder(
        BlockDesign(spatial_dims, activation, normalisation, 0.0, 2, residual=True),
        in_channels,
        out_channels,
        filters,
        isotropic(2, spatial_dims, len(filters) - 1),
        isotropic(3, spatial_dims, len(filters)),
        downsampling="stride",
        deep_supervision=deep_supervision,
        bridge=bridge,
    )


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if not isinstance(size, int) or size < 1:
            raise ConfigError(
                f"{name} cannot work",
                where=f"{PARAMS_KEY}.{name}",
                got=size,
                expected="a positive whole number",
            )
    if sizes["hidden_size"] % sizes["heads"]:
        raise ConfigError(
            "heads must divide hidden_size",
            where=f"{PARAMS_KEY}.heads",
            got=sizes["heads"],
            expected=f"a divisor of {sizes['hidden_size']}",
        )


ARCHITECTURE = Architecture(build_transunet, multiple_of_halvings)
