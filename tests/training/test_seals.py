"""Checksums of checkpoints: any changed byte is noticed, and readers do not mind them."""

from __future__ import annotations

import io
import zipfile

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brats3d.training.seals import is_intact, is_sealed, sealed


def archive() -> bytes:
    file = io.BytesIO()
    torch.save({"weights": torch.arange(300.0)}, file)
    return file.getvalue()


ARCHIVE = archive()
SEALED = sealed(ARCHIVE)


def test_an_archive_remains_one() -> None:
    assert is_sealed(SEALED)
    assert is_intact(SEALED)
    torch.testing.assert_close(
        torch.load(io.BytesIO(SEALED), weights_only=True)["weights"], torch.arange(300.0)
    )
    assert zipfile.ZipFile(io.BytesIO(SEALED)).testzip() is None


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, change: int) -> None:
    damaged = bytearray(SEALED)
    damaged[place] ^= change
    assert not (is_sealed(bytes(damaged)) and is_intact(bytes(damaged)))


@pytest.mark.parametrize("content", [ARCHIVE, b"", b"PK", SEALED[:-1], SEALED + b"0"])
def test_what_has_no_checksum(content: bytes) -> None:
    assert not is_sealed(content)
