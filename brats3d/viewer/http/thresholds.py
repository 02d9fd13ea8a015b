"""Thresholds in the query of a request."""

from __future__ import annotations

from collections.abc import Mapping

from brats3d.viewer.http.refusals import NotUnderstood


def thresholds_of(query: Mapping[str, str]) -> dict[str, float]:
    """Read ``ET=0.4&WT=0.5``; whether the model has such regions is not known here.

    Raises:
        NotUnderstood: Not a number.
    """
    return {region: _number(region, text) for region, text in query.items()}


def _number(region: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise NotUnderstood(
            "not a threshold", where=region, got=text, expected="a number between 0 and 1"
        ) from None
