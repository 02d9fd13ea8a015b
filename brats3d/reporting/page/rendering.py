"""Templates filled with what a page says; every text is escaped."""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from brats3d.reporting.page.content import Page
from brats3d.reporting.page.numbers import FILTERS
from brats3d.reporting.page.styles import style_sheet
from brats3d.version import __version__

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **content: Any) -> str:
    """Fill a template.

    Args:
        template: Name of a file in ``templates``, which extends ``base.html``.
        content: What the template shows. Strings are escaped; ``Markup`` is taken as it is.

    Returns:
        A page that needs no other file and no network.

    Raises:
        jinja2.UndefinedError: Content that the template shows is not given.
    """
    page = environment().get_template(template)
    return page.render(style=Markup(style_sheet()), version=__version__, **content)


def render_report(page: Page) -> str:
    """Lay a report out as one page."""
    sorting = (Path(__file__).parent / "sorting.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(f"\n{sorting}\n".encode()).digest()).decode()
    policy = f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:"
    return render("report.html", page=page, sorting=Markup(sorting), policy=policy)


@functools.cache
def environment() -> Environment:
    """Templates of this package, with escaping, where what is not given is an error."""
    found = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(FILTERS)
    return found
