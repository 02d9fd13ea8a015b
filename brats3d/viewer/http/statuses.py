"""Status code of each user error."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from brats3d.errors import Brats3dError, MissingExtraError, OutputError, RunError
from brats3d.viewer.http.refusals import BodyTooLong, Stalled
from brats3d.viewer.refusals import JobGone, NotDone, QueueFull
from brats3d.viewer.uploads.refusals import TooLarge, TooManyUploads, UploadGone

_UNPROCESSABLE = 422

_STATUSES: Mapping[type[Brats3dError], int] = MappingProxyType(
    {
        UploadGone: 404,
        JobGone: 404,
        Stalled: 408,
        NotDone: 409,
        TooLarge: 413,
        BodyTooLong: 413,
        TooManyUploads: 429,
        QueueFull: 503,
        MissingExtraError: 503,
        RunError: 503,
        OutputError: 507,
    }
)
"""4xx: the visitor can mend it; 5xx: time, or whoever runs the server. All others are 422."""

_RETRY = MappingProxyType({"retry-after": "30"})


def status_of(error: Brats3dError) -> int:
    """Status code of an error; that of the closest class."""
    return next((_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES), _UNPROCESSABLE)


def headers_of(error: Brats3dError) -> Mapping[str, str]:
    """Headers that tell a program when to try again."""
    return _RETRY if isinstance(error, QueueFull | TooManyUploads) else {}
