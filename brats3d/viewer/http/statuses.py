"""Status code of each user error."""

from __future__ import annotations

from brats3d.errors import Brats3dError, MissingExtraError, OutputError, RunError

UNPROCESSABLE, UNAVAILABLE = 422, 503


def status_of(error: Brats3dError) -> int:
    """4xx: the visitor can mend it; 503: whoever runs the server can."""
    return UNAVAILABLE if isinstance(error, MissingExtraError | OutputError | RunError) else UNPROCESSABLE
