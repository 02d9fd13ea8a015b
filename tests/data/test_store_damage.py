"""Damaged entries of the store."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from stored_arrays import write

from brats3d.data.store import PreparedStore
from brats3d.data.store.entry import fault
from brats3d.errors import DataError


class TestDamage:
    """What can happen to an entry, found by its sizes and headers or when it is read."""

    @pytest.mark.parametrize("file", ["image.b2nd", "classes.b2nd", "foreground.npz", "record.json"])
    @pytest.mark.parametrize("harm", ["removed", "cut", "emptied", "head"])
    def test_is_found_without_reading_everything(self, store: PreparedStore, file: str, harm: str) -> None:
        path = write(store).folder / file
        content = path.read_bytes()
        if harm == "removed":
            path.unlink()
        elif harm == "cut":
            path.write_bytes(content[:-1])
        elif harm == "emptied":
            path.write_bytes(b"")
        else:
            path.write_bytes(bytes([content[0] ^ 255]) + content[1:])
        assert store.find("case", "k") is None
        write(store)
        assert store.find("case", "k") is not None
        assert [entry.name for entry in store.folder.iterdir()] == ["case-k"]

    def test_within_a_file_is_found_by_reading_it(self, store: PreparedStore) -> None:
        image = np.random.default_rng(0).normal(size=(4, 64, 64, 64)).astype(np.float16)
        entry = store.write("case", "k", image=image, classes=None, record={})
        path = entry.folder / "image.b2nd"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
        assert store.find("case", "k") is not None
        assert fault(entry.folder, thorough=False) is None
        assert fault(entry.folder, thorough=True) == "image.b2nd is not what was written"

    @pytest.mark.parametrize("harm", ["cut", "filled"])
    def test_met_by_a_reader_is_told_and_the_entry_not_used_again(
        self, store: PreparedStore, harm: str
    ) -> None:
        image = np.random.default_rng(0).normal(size=(4, 64, 64, 64)).astype(np.float16)
        entry = store.write("case", "k", image=image, classes=None, record={})
        path = entry.folder / "image.b2nd"
        content = path.read_bytes()
        if harm == "cut":
            path.write_bytes(content[:10_000])
        else:
            path.write_bytes(content[:5000] + b"\xa5" * (len(content) - 5000))
        with pytest.raises(DataError, match="damaged") as caught:
            np.asarray(entry.image())
        assert caught.value.where == path
        assert "prepared anew" in str(caught.value.remedy)
        assert store.find("case", "k") is None
        store.write("case", "k", image=image, classes=None, record={})
        found = store.find("case", "k")
        assert found is not None
        np.testing.assert_array_equal(found.image(), image)

    @pytest.mark.parametrize("read", ["image", "classes", "foreground", "record"])
    def test_a_store_that_is_gone(self, store: PreparedStore, read: str) -> None:
        entry = write(store)
        if read in ("image", "classes"):
            entry.classes()  # knows its record
        shutil.rmtree(store.folder)
        with pytest.raises(DataError, match="gone") as caught:
            np.asarray(getattr(entry, read)()) if read in ("image", "classes") else getattr(entry, read)
        assert "prepared anew" in str(caught.value.remedy)
