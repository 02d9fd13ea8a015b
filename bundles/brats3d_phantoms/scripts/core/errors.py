# Written by brats3d when this bundle was exported; part of brats3d, Apache License 2.0.
"""Errors that a user can cause, each saying what, where, got, expected and what to do.

At the command line they are printed without a traceback and end the program with exit code 2
(:func:`exit_code_on_user_error`). Anything else that escapes is a defect of this package.
"""

from __future__ import annotations

import difflib
import errno
import sys
from collections.abc import Callable, Iterable


class Brats3dError(ValueError):
    """Base of all user-facing errors.

    Args:
        what: One sentence that names the problem.
        where: Case id, file path or configuration key the problem sits in.
        got: What was found.
        expected: What would have been right.
        remedy: What the user can do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        got: object = None,
        expected: object = None,
        remedy: str | None = None,
    ) -> None:
        """Keep the parts and compose the message from those that are given."""
        self.what = what
        self.where = where
        self.got = got
        self.expected = expected
        self.remedy = remedy
        parts = [("where", where), ("got", got), ("expected", expected), ("remedy", remedy)]
        lines = [what, *(f"  {name + ':':<10}{value}" for name, value in parts if value is not None)]
        super().__init__("\n".join(lines))

    exit_code = 2
    """Exit code of a program that it ends."""

    def __reduce__(self) -> tuple[Callable[..., Brats3dError], tuple[object, ...]]:
        """Pickle by parts, so that errors cross process borders (data-loader workers) whole."""
        return _rebuild, (type(self), self.what, self.where, self.got, self.expected, self.remedy)


def _rebuild(
    cls: type[Brats3dError], what: str, where: object, got: object, expected: object, remedy: str | None
) -> Brats3dError:
    return cls(what, where=where, got=got, expected=expected, remedy=remedy)


class ConfigError(Brats3dError):
    """A configuration key, value or combination that cannot work."""


class LayoutError(Brats3dError):
    """A folder that is not a data set, or could be several kinds of data set."""


class DataError(Brats3dError):
    """An image or table that is missing, unreadable or inconsistent."""


class LabelError(DataError):
    """A label value outside the convention of its data set."""


class OutputError(Brats3dError):
    """A result that cannot be written: exists already, read-only, disk full."""


class RunError(Brats3dError):
    """A run folder or checkpoint that is missing, torn or does not fit."""


class Interrupted(Brats3dError):
    """A training that a signal ended; its state is kept. The exit code tells a scheduler to try again."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


class MissingExtraError(Brats3dError):
    """An optional package that is not installed."""


def closest_first(name: object, choices: Iterable[str]) -> list[str]:
    """Sort ``choices`` by likeness to ``name``, the most alike first; equals keep their order.

    ``name`` need not be text: YAML keys may be numbers.
    """
    wanted = str(name).lower()
    return sorted(choices, key=lambda choice: -difflib.SequenceMatcher(None, wanted, choice.lower()).ratio())


def output_error(path: object, error: OSError) -> OutputError:
    """Explain an ``OSError`` met while writing to ``path``."""
    remedies = {
        errno.ENOSPC: "free space on that disk, or choose another output folder",
        errno.EDQUOT: "your quota is used up: free space, or choose another output folder",
        errno.EROFS: "that file system is read-only: choose another output folder",
        errno.EACCES: "you may not write there: choose another output folder or change its permissions",
        errno.EPERM: "you may not write there: choose another output folder or change its permissions",
        errno.ENOTDIR: "a file stands where a folder is needed: choose another output folder",
        errno.EEXIST: "a file stands where a folder is needed: choose another output folder",
    }
    return OutputError(
        "cannot write the result",
        where=path,
        got=error.strerror or type(error).__name__,
        expected="a writable folder with free space",
        remedy=remedies.get(error.errno or 0, "choose another output folder"),
    )


def exit_code_on_user_error(main: Callable[[], object]) -> int:
    """Run ``main`` and turn a user-facing error into a printed message and exit code 2.

    Returns:
        0 on success, 2 on a :class:`Brats3dError` (75 on :class:`Interrupted`), 130 when interrupted from
        the keyboard.
    """
    try:
        main()
    except Brats3dError as error:
        print(f"brats3d: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("brats3d: interrupted", file=sys.stderr)
        return 130
    return 0
