"""The colours of all figures: those of Okabe and Ito (2008), which colour-blind people can tell apart.

A region that is drawn around others has the colour of the tissue that it adds to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

ORANGE, SKY_BLUE, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILLION, PURPLE, BLACK = "#0072B2", "#D55E00", "#CC79A7", "#000000"
GREY = "#999999"

TISSUE_COLOURS: Mapping[str, str] = MappingProxyType({"ET": VERMILLION, "NCR": SKY_BLUE, "ED": YELLOW})
REGION_COLOURS: Mapping[str, str] = MappingProxyType({"ET": VERMILLION, "TC": SKY_BLUE, "WT": YELLOW})
FALSE_POSITIVE, FALSE_NEGATIVE = ORANGE, BLUE
OTHER_TISSUE = "#FFFFFF"
TRUE_POSITIVE = NEITHER = GREY
TRAINING, VALIDATION = BLUE, ORANGE
MODELS = (BLUE, ORANGE, GREEN, PURPLE, SKY_BLUE, VERMILLION)
"""Models that are compared, in their order."""

PAGE_COLOURS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "ground": ("#F3F5F8", "#11151A"),
        "paper": ("#FFFFFF", "#1A2027"),
        "raised": ("#F8FAFB", "#212932"),
        "ink": ("#1A2027", "#E8EDF2"),
        "muted": ("#55606C", "#A5B1BD"),
        "line": ("#D6DCE2", "#36404B"),
        "accent": (BLUE, SKY_BLUE),
        "alert": ("#A84300", "#F2935A"),
        "alert-ground": ("#FDF1E8", "#33241A"),
        "shade": ("#E9ECEF", "#36404B"),
        "picture-ground": ("#FFFFFF", "#FFFFFF"),
    }
)
"""What pages are made of, by name: on light ground and on dark. Text has a contrast of 4.5 or more."""

_SAME_TISSUE: Mapping[str, str] = MappingProxyType({"NET": "NCR", "NETC": "NCR", "CC": "NCR"})
_OTHERS = (GREEN, PURPLE, BLUE, ORANGE)


def tissue_colours(names: Sequence[str]) -> dict[str, str]:
    """Colour of each tissue or class but the background, ``#RRGGBB``."""
    return _chosen([_SAME_TISSUE.get(name, name) for name in names], names, TISSUE_COLOURS)


def region_colours(names: Sequence[str]) -> dict[str, str]:
    """Colour of each region, ``#RRGGBB``."""
    return _chosen(names, names, REGION_COLOURS)


def rgb(colour: str) -> tuple[float, float, float]:
    """Red, green and blue in [0, 1] of ``#RRGGBB``."""
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def _chosen(keys: Sequence[str], names: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    others = [key for key in keys if key not in known]
    return {
        name: known[key] if key in known else _OTHERS[others.index(key) % len(_OTHERS)]
        for key, name in zip(keys, names, strict=True)
    }
