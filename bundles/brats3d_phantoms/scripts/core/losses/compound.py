# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Weighted sum of any losses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from scripts.core.errors import ConfigError
from scripts.core.losses.float32_loss import PARAMS_KEY
from scripts.core.losses.terms import TERMS
from scripts.core.registry import check_params, look_up

_TERMS_KEY = f"{PARAMS_KEY}.terms"
_DEFAULT_TERMS: Mapping[str, float] = MappingProxyType({"dice": 1.0, "cross_entropy": 1.0})

Term = float | Mapping[str, Any]


class Compound(nn.Module):
    """Weighted sum of losses.

    Args:
        losses: The terms.
        factors: One for each.
    """

    def __init__(self, losses: Sequence[nn.Module], factors: Sequence[float]) -> None:
        super().__init__()
        self.losses = nn.ModuleList(losses)
        self.factors = tuple(factors)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits ``(B, C, *S)`` and target ``(B, C, *S)``, a float32 scalar."""
        total = target.new_zeros(())
        for loss, factor in zip(self.losses, self.factors, strict=True):
            total = total + factor * loss(logits, target)
        return total


def build_compound(
    *,
    head: str,
    terms: Mapping[str, Term] = _DEFAULT_TERMS,
    weights: Sequence[float] | None = None,
) -> nn.Module:
    """Build a weighted sum of losses.

    Args:
        head: ``sigmoid`` or ``softmax``.
        terms: Loss to its factor, such as ``{dice: 1, boundary: 0.01}``, or to its factor and its own
            parameters: ``{dice: 1, boundary: {factor: 0.01, spacing_mm: [1, 1, 3]}}``.
        weights: Relative weights of the channels, in every term that takes such and has none of its own.

    Raises:
        ConfigError: No term, an unknown one, or a parameter that cannot work.
    """
    if not isinstance(terms, Mapping) or not terms:
        raise ConfigError(
            "a sum of no losses",
            where=_TERMS_KEY,
            got=terms,
            expected="losses, such as {dice: 1, boundary: 0.01}",
        )
    built = [_term(name, term, head, weights) for name, term in terms.items()]
    return Compound([loss for loss, _ in built], [factor for _, factor in built])


def _term(name: str, term: Term, head: str, weights: Sequence[float] | None) -> tuple[nn.Module, float]:
    key = f"{_TERMS_KEY}.{name}"
    builder = look_up(TERMS, name, _TERMS_KEY)
    params: dict[str, Any] = dict(term) if isinstance(term, Mapping) else {"factor": term}
    factor = params.pop("factor", 1.0)
    if not isinstance(factor, int | float) or not 0 < factor < float("inf"):
        raise ConfigError("a factor must be above 0", where=key, got=factor, expected="a positive number")
    check_params(builder, params, key, {"head"})
    shares_weights = weights is not None and "weights" not in params and _takes_weights(builder)
    if shares_weights:
        params["weights"] = weights
    try:
        return builder(head=head, **params), float(factor)
    except ConfigError as error:
        if shares_weights and error.where == f"{PARAMS_KEY}.weights":
            raise
        where = str(error.where or key).replace(PARAMS_KEY, key, 1)
        raise ConfigError(
            error.what, where=where, got=error.got, expected=error.expected, remedy=error.remedy
        ) from error


def _takes_weights(builder: Callable[..., nn.Module]) -> bool:
    return "weights" in inspect.signature(builder).parameters
