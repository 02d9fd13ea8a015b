"""Names are shown, cleaned, and never used as paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats3d.errors import DataError
from brats3d.viewer.uploads.names import display_name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("t1.nii.gz", "t1.nii.gz"),
        ("case/t1.nii.gz", "case/t1.nii.gz"),
        ("case\\t1.nii.gz", "case/t1.nii.gz"),
        ("./case//t1.nii", "case/t1.nii"),
        ("a\nb\r\t\x1b[31m.nii", "ab[31m.nii"),
        ("evil\u202egz.iin.t1", "evilgz.iin.t1"),
        ("t\u200b1.nii", "t1.nii"),
        ("\ud800x.nii", "x.nii"),
        ("  t1.nii ", "t1.nii"),
        ("", "file"),
        ("\u200b", "file"),
        ("CON", "CON"),
        ("ﬂair.nii", "flair.nii"),
        ("x" * 300 + ".nii.gz", "x" * 72 + "….nii.gz"),
    ],
)
def test_names_as_they_are_shown(name: str, shown: str) -> None:
    assert display_name(name) == shown


@pytest.mark.parametrize(
    "name",
    [
        "../t1.nii",
        "a/../t1.nii",
        "..\\t1.nii",
        "a/..",
        "/etc/passwd",
        "\\\\host\\share\\t1.nii",
        "C:\\t1.nii",
        "c:t1.nii",
        "t1.nii\0.png",
        "\uff0e\uff0e/t1.nii",
        "\u2024\u2024/t1.nii",
        ".\u200b./t1.nii",
        "x" * 5000,
    ],
)
def test_names_that_are_refused(name: str, upload: Any, put: Any, files: Any, kept: Any) -> None:
    with pytest.raises(DataError, match="a name") as caught:
        put(upload, name, files.nifti())
    assert len(str(caught.value)) < 500
    assert "\0" not in str(caught.value)
    assert kept() == []


@given(st.text(max_size=400))
def test_any_name_is_shown_or_refused(name: str) -> None:
    try:
        shown = display_name(name)
    except DataError:
        return
    assert 0 < len(shown) <= 200
    assert shown.isprintable()
    assert not shown.startswith("/")
    assert ".." not in shown.split("/")
    shown.encode("utf-8")


def test_stored_names_are_our_own(upload: Any, put: Any, files: Any, kept: Any, tmp_path: Path) -> None:
    for name in ("CON.nii", "aux", "T1.nii", "t1.nii", "a" * 250 + ".nii", "x/y/z/t2.nii.gz", "NUL"):
        put(upload, name, files.nifti())
    stored = kept()
    assert len(stored) == 7
    assert all(path.name.removesuffix(".nii").isdigit() for path in stored)
    assert {path.parent.parent.parent for path in stored} == {tmp_path / "uploads"}
