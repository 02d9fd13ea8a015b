"""Errors that a user can cause, and what the command line makes of them."""

from __future__ import annotations

import errno
import pickle

import pytest

from brats3d import errors
from brats3d.errors import Brats3dError, DataError, closest_first, exit_code_on_user_error, output_error

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Brats3dError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_all_parts_and_survives_pickling(kind: type[Brats3dError]) -> None:
    error = kind("it broke", where="case7", got=3, expected="4", remedy="mend it")
    assert isinstance(error, ValueError)
    assert str(error).splitlines() == [
        "it broke",
        "  where:    case7",
        "  got:      3",
        "  expected: 4",
        "  remedy:   mend it",
    ]
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert (again.where, again.got, again.expected, again.remedy) == ("case7", 3, "4", "mend it")


def test_parts_that_are_not_given_take_no_line() -> None:
    assert str(DataError("it broke")) == "it broke"
    assert str(DataError("it broke", got=0)) == "it broke\n  got:      0"


@pytest.mark.parametrize(
    ("name", "first"),
    [("dynnet", "dynunet"), ("UNET", "unet"), ("atention_unet", "attention_unet"), (7, "7b")],
)
def test_the_most_alike_comes_first(name: object, first: str) -> None:
    assert closest_first(name, ["unet", "dynunet", "attention_unet", "7b"])[0] == first


def test_equally_alike_choices_keep_their_order() -> None:
    assert closest_first("brats2018", ["brats2017", "brats2012"])[0] == "brats2017"
    assert closest_first("brats2018", ["brats2012", "brats2017"])[0] == "brats2012"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "free space"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permissions"),
        (errno.ENOTDIR, "a file stands"),
        (errno.EEXIST, "a file stands"),
        (errno.EIO, "another output folder"),
        (None, "another output folder"),
    ],
)
def test_a_failed_write_says_what_to_do(number: int | None, words: str) -> None:
    cause = OSError() if number is None else OSError(number, "reason")
    explained = output_error("out.nii.gz", cause)
    assert explained.where == "out.nii.gz"
    assert words in str(explained.remedy)


class TestExitCode:
    def test_success(self) -> None:
        assert exit_code_on_user_error(lambda: None) == 0

    def test_a_user_error_is_printed_without_a_traceback(self, capsys: pytest.CaptureFixture[str]) -> None:
        def fail() -> None:
            raise DataError("it broke", where="case7")

        assert exit_code_on_user_error(fail) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err == "brats3d: error: it broke\n  where:    case7\n"

    def test_an_interruption(self, capsys: pytest.CaptureFixture[str]) -> None:
        def interrupt() -> None:
            raise KeyboardInterrupt

        assert exit_code_on_user_error(interrupt) == 130
        assert "interrupted" in capsys.readouterr().err

    def test_a_defect_is_not_hidden(self) -> None:
        def fail() -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            exit_code_on_user_error(fail)
