# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Channels of decoders behind encoders of five levels, the finest of half the image's resolution."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.core.errors import ConfigError
from scripts.core.models.architecture import PARAMS_KEY, check_filters

DECODER_FILTERS = (16, 32, 64, 128, 256)


def check_decoder_filters(filters: Sequence[int]) -> tuple[int, ...]:
    """Return the channels of the decoder's levels, finest first, as a tuple.

    Raises:
        ConfigError: They are not five positive whole numbers.
    """
    checked = check_filters(filters, len(DECODER_FILTERS))
    if len(checked) != len(DECODER_FILTERS):
        raise ConfigError(
            "filters must list the channels of the decoder's levels, finest first",
            where=f"{PARAMS_KEY}.filters",
            got=list(filters),
            expected=f"{len(DECODER_FILTERS)} numbers, such as {list(DECODER_FILTERS)}",
        )
    return checked
