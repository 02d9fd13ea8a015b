"""Parsers of other packages, given what a stranger sent."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brats3d.errors import Brats3dError, DataError

_OF_THE_DISK = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOENT, errno.EACCES, errno.EMFILE}
)


@contextmanager
def strangers_file(name: str, kind: str) -> Iterator[None]:
    """Turn whatever a parser raises over damaged content into one error that names the file.

    Parsers raise nearly anything over damaged content, and may quote it: of what they say only the type is
    told. What is wrong with the disk passes.

    Args:
        name: What messages call the file.
        kind: What it seems to be, such as ``PNG``.

    Raises:
        DataError: The parser failed.
    """
    # For the process: filters of a block are not those of a thread, and warnings quote headers.
    warnings.filterwarnings("ignore", module="PIL|pydicom|nibabel")
    try:
        yield
    except Brats3dError as error:
        if not isinstance(error.where, Path):
            raise
        raise type(error)(
            error.what, where=name, got=error.got, expected=error.expected, remedy=error.remedy
        ) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            raise
        raise DataError(
            f"cannot read the {kind} file",
            where=name,
            got=f"{type(error).__name__} (torn, or of a kind that is not read)",
            expected=f"a complete {kind} file",
            remedy="copy or download the file again, or convert it",
        ) from None
