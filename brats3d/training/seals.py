"""Checksums inside checkpoints, so that a torn or damaged one is never taken for a good one.

torch writes zip archives and does not notice a changed byte in a tensor. A zip archive may end with a
comment, which readers leave alone: there the checksum is.
"""

from __future__ import annotations

import hashlib

_MARK = b"sha256:"
_COMMENT_BYTES = len(_MARK) + 64
_END_OF_ARCHIVE = b"PK\x05\x06"
_END_BYTES = 22  # of which the last two are the length of the comment


def sealed(archive: bytes) -> bytes:
    """Return a zip archive without comment with its checksum as comment.

    Args:
        archive: Content of the file as torch wrote it.
    """
    assert archive[-_END_BYTES:-18] == _END_OF_ARCHIVE, "not a zip archive without a comment"
    checksum = hashlib.sha256(archive[:-2]).hexdigest().encode()
    return archive[:-2] + _COMMENT_BYTES.to_bytes(2, "little") + _MARK + checksum


def is_sealed(content: bytes) -> bool:
    """Whether the content of a file carries a checksum."""
    end = len(content) - _COMMENT_BYTES - _END_BYTES
    if end < 0 or not content.startswith(_END_OF_ARCHIVE, end):
        return False
    return content.startswith(_MARK, len(content) - _COMMENT_BYTES)


def is_intact(content: bytes) -> bool:
    """Whether the content of a file that carries a checksum is what was written."""
    body = content[: -_COMMENT_BYTES - 2]
    return hashlib.sha256(body).hexdigest().encode() == content[-64:]
