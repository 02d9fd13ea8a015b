"""Thresholds in the query of a request."""

from __future__ import annotations

from collections.abc import Mapping

from brats3d.errors import ConfigError


def thresholds_of(query: Mapping[str, str]) -> dict[str, float]:
    """Read ``ET=0.4&WT=0.5``.

    Raises:
        ConfigError: Not a number from 0 to 1.
    """
    return {region: _threshold(region, text) for region, text in query.items()}


def _threshold(region: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ConfigError("not a threshold", where=region, got=text, expected="a number from 0 to 1")
    return value
