"""Numbers and names as the figures write them."""

from __future__ import annotations

import math

MINUS = "\N{MINUS SIGN}"


def signed(value: float, digits: int = 3) -> str:
    """Write a difference with its sign and so many significant digits."""
    return f"{value:+.{digits}g}".replace("-", MINUS)


def p_value(p: float) -> str:
    """Write a p value, as in ``p = 0.012``; NaN is one that could not be found."""
    if math.isnan(p):
        return "p not defined"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def shortened(name: str, letters: int) -> str:
    """Leave out the middle of a long name."""
    return name if len(name) <= letters else f"{name[: letters // 2 - 1]}…{name[-letters // 2 :]}"
