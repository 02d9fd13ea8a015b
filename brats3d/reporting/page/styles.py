"""The style sheet of the pages: colours from the palette as custom properties, then the rules."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from brats3d.reporting.palette import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    PAGE_COLOURS,
    REGION_COLOURS,
    TISSUE_COLOURS,
)

_RULES = Path(__file__).with_name("page.css")


@functools.cache
def style_sheet() -> str:
    """CSS of a page, light and dark; printed, it is light."""
    return f"{colour_properties()}\n{_RULES.read_text(encoding='utf-8')}"


def colour_properties() -> str:
    """The palette as CSS custom properties: ``--ink``, ``--region-et``, ``--tissue-ncr`` and so on."""
    fixed = {
        **{f"region-{name.lower()}": colour for name, colour in REGION_COLOURS.items()},
        **{f"tissue-{name.lower()}": colour for name, colour in TISSUE_COLOURS.items()},
        "false-positive": FALSE_POSITIVE,
        "false-negative": FALSE_NEGATIVE,
    }
    light = {name: pair[0] for name, pair in PAGE_COLOURS.items()}
    dark = {name: pair[1] for name, pair in PAGE_COLOURS.items()}
    return "\n".join(
        (
            _rule(":root", {**fixed, **light}),
            f"@media screen and (prefers-color-scheme: dark) {{ {_rule(':root', dark)} }}",
        )
    )


def _rule(selector: str, colours: Mapping[str, str]) -> str:
    return f"{selector} {{ {' '.join(f'--{name}: {colour};' for name, colour in colours.items())} }}"
