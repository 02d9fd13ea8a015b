"""What MONAI would not read as a value but execute, look up or instantiate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PREFIXES = ("$", "@", "%")


def holds_programs(content: Any) -> bool:
    """Whether there is an expression, a reference, a macro or a target in a part of a configuration."""
    if isinstance(content, str):
        return content.strip().startswith(_PREFIXES)
    if isinstance(content, Mapping):
        return any(_is_special(str(key)) or holds_programs(value) for key, value in content.items())
    return isinstance(content, list | tuple) and any(map(holds_programs, content))


def _is_special(key: str) -> bool:
    """Whether MONAI gives a meaning of its own to a key, as to ``_target_``."""
    return key.startswith("_") and key.endswith("_")


def difference(found: Any, expected: Any, where: str = "") -> str | None:
    """Say where two configurations differ first, or return None when they are equal."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in [*expected, *(key for key in found if key not in expected)]:
            inside = f"{where}.{key}" if where else str(key)
            if key not in found or key not in expected:
                return f"{inside} {'is missing' if key in expected else 'is added'}"
            if said := difference(found[key], expected[key], inside):
                return said
        return None
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        pairs = zip(found, expected, strict=True)
        told = (difference(ours, theirs, f"{where}[{i}]") for i, (ours, theirs) in enumerate(pairs))
        return next((said for said in told if said), None)
    return None if found == expected else f"{where} is {_short(found)} instead of {_short(expected)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
