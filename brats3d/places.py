"""Places that a user names: a folder on this disk, or a URL of one elsewhere."""

from __future__ import annotations

import os
import re

# A single letter would be a disk of Windows.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_THIS_DISK = "file://"


def is_url(place: str | os.PathLike[str]) -> bool:
    """Whether a place is elsewhere; ``file://`` names a folder on this disk."""
    text = os.fspath(place)
    return _URL.match(text) is not None and not text.startswith(_THIS_DISK)


def absolute(place: str | os.PathLike[str]) -> str:
    """Return a place so that it does not depend on the current folder: an absolute path, or the URL."""
    text = os.fspath(place)
    return text if is_url(text) else os.path.abspath(os.path.expanduser(text.removeprefix(_THIS_DISK)))
