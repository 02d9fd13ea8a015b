"""Pages that are not the page itself: the token is asked for, the interface described."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_PAGES = Environment(
    loader=PackageLoader("brats3d.viewer.http"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **content: Any) -> str:
    """Fill in a template of this package."""
    return _PAGES.get_template(template).render(**content)
