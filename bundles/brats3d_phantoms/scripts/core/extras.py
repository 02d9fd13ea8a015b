# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Optional packages, imported when they are first needed."""

from __future__ import annotations

import importlib
from typing import Any

from scripts.core.errors import MissingExtraError


def import_extra(
    module: str, purpose: str, extra: str, *, package: str | None = None, instead: str | None = None
) -> Any:
    """Import a module of an optional package.

    Args:
        module: Name to import.
        purpose: What needs it, for the message.
        extra: Extra of this package that installs it.
        package: What people call the package; by default the first part of ``module``.
        instead: What the user may do without it, for the message.

    Raises:
        MissingExtraError: It is not installed.
    """
    name = package or module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{purpose} needs {name}, which is not installed",
            expected=f"the package {name}",
            remedy=f'pip install "brats3d[{extra}]"' + (f", or {instead}" if instead else ""),
        ) from error
