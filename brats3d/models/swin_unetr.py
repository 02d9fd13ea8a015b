"""Swin UNETR (Hatamizadeh et al. 2022), from MONAI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from brats3d.errors import ConfigError, MissingExtraError
from brats3d.models.architecture import PARAMS_KEY, Architecture, check_fraction
from brats3d.models.layers import MONAI_NORMALISATIONS, NORMALISATIONS
from brats3d.registry import look_up

LEVELS = 5  # patch embedding and four merging stages, each halving the sides


def build_swin_unetr(
    *,
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    feature_size: int = 24,
    depths: Sequence[int] = (2, 2, 2, 2),
    num_heads: Sequence[int] = (3, 6, 12, 24),
    window_size: int = 7,
    normalisation: str = "instance",
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    path_dropout: float = 0.0,
    checkpoint_activations: bool = False,
) -> nn.Module:
    """Build a U-shaped network with a shifted-window transformer as encoder.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Channels of the logits.
        feature_size: Channels of the finest level, doubled at each of the four following ones; a
            multiple of 12.
        depths: Transformer blocks of the four stages.
        num_heads: Attention heads of the four stages; they divide the channels of their stage.
        window_size: Side of an attention window in tokens.
        normalisation: ``instance``, ``batch`` or ``none``, of the convolution blocks.
        dropout: Dropout of the tokens.
        attention_dropout: Dropout of the attention weights.
        path_dropout: Probability of skipping a transformer block (stochastic depth).
        checkpoint_activations: Compute activations anew in the backward pass: less memory, slower.

    Raises:
        ConfigError: A parameter that cannot work.
        MissingExtraError: ``einops`` is not installed.
    """
    _check_sizes(feature_size, depths, num_heads)
    look_up(NORMALISATIONS, normalisation, f"{PARAMS_KEY}.normalisation")
    try:
        import einops  # noqa: F401 - MONAI imports it late and fails with a bare message
    except ImportError as error:
        raise MissingExtraError(
            "swin_unetr needs the package einops", remedy='pip install "brats3d[transformers]"'
        ) from error
    from monai.networks.nets.swin_unetr import SwinUNETR

    return SwinUNETR(
        in_channels=in_channels,
        out_channels=out_channels,
        depths=tuple(depths),
        num_heads=tuple(num_heads),
        window_size=window_size,
        feature_size=feature_size,
        norm_name=MONAI_NORMALISATIONS[normalisation],
        drop_rate=check_fraction(dropout, "dropout"),
        attn_drop_rate=check_fraction(attention_dropout, "attention_dropout"),
        dropout_path_rate=check_fraction(path_dropout, "path_dropout"),
        use_checkpoint=checkpoint_activations,
        spatial_dims=spatial_dims,
    )


def _check_sizes(feature_size: int, depths: Sequence[int], num_heads: Sequence[int]) -> None:
    stages = LEVELS - 1
    for name, values in (("depths", depths), ("num_heads", num_heads)):
        if len(values) != stages or min(values) < 1:
            raise ConfigError(
                f"{name} must have one number per stage",
                where=f"{PARAMS_KEY}.{name}",
                got=values,
                expected=f"{stages} positive whole numbers",
            )
    if feature_size < 1 or feature_size % 12:
        raise ConfigError(
            "feature_size must be a multiple of 12",
            where=f"{PARAMS_KEY}.feature_size",
            got=feature_size,
            expected="12, 24, 36, 48 …",
        )
    if any(feature_size * 2**stage % heads for stage, heads in enumerate(num_heads)):
        raise ConfigError(
            "num_heads must divide the channels of each stage",
            where=f"{PARAMS_KEY}.num_heads",
            got=num_heads,
            expected=f"divisors of {[feature_size * 2**stage for stage in range(stages)]}",
        )


def _patch_multiple(params: Mapping[str, Any], spatial_dims: int) -> tuple[int, ...]:
    return (2**LEVELS,) * spatial_dims


ARCHITECTURE = Architecture(
    build_swin_unetr,
    _patch_multiple,
    encoder=("swinViT", "encoder1", "encoder2", "encoder3", "encoder4", "encoder10"),
)
