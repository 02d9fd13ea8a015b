"""Requests that the server itself refuses, whatever they ask for; and any error as an answer."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

from brats3d.errors import Brats3dError
from brats3d.viewer.refusals import error_as_dict


class NotAllowed(Brats3dError):
    """A visitor who may not enter, or a request that other sites may not make."""


class BodyTooLong(Brats3dError):
    """A body that is longer than any that the server understands."""


class Stalled(Brats3dError):
    """A body that does not come."""


class NotUnderstood(Brats3dError):
    """A request to no address, or with content that does not fit."""


def refusal(error: Brats3dError, status: int, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Answer with a user's error."""
    return JSONResponse({"error": error_as_dict(error)}, status, dict(headers or {}))
