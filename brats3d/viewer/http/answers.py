"""The JSON of errors: what, where, got, expected, remedy."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

from brats3d.errors import Brats3dError


def refusal(error: Brats3dError, status: int, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Answer with a user's error."""
    parts = {
        "what": error.what,
        "where": _text(error.where),
        "got": _text(error.got),
        "expected": _text(error.expected),
        "remedy": error.remedy,
    }
    return JSONResponse({"error": parts}, status, dict(headers or {}))


def _text(part: object) -> str | None:
    return None if part is None else str(part)
