# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Optional packages that read formats other than NIfTI; imported when they are first needed."""

from __future__ import annotations

import importlib
from typing import Any

from scripts.core.errors import MissingExtraError


def import_extra(module: str, purpose: str, extra: str) -> Any:
    """Import an optional package.

    Args:
        module: Name to import.
        purpose: What needs it, for the message.
        extra: Extra of this package that installs it.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{purpose} needs {module.split('.')[0]}, which is not installed",
            expected=f"the package {module.split('.')[0]}",
            remedy=f'pip install "brats3d[{extra}]"',
        ) from error
