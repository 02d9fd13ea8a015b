"""Entries of the store of prepared cases: what was written, and reading it in parts."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from stored_arrays import RECORD, arrays, write

from brats3d.data.store import PreparedStore
from brats3d.data.store import arrays as arrays_module
from brats3d.errors import DataError


def test_an_entry_gives_back_what_was_written(store: PreparedStore) -> None:
    image, classes = arrays()
    write(store)
    entry = store.find("case", "k")
    assert entry is not None
    assert entry.case_id == "case"
    assert entry.image().dtype == np.float16
    np.testing.assert_array_equal(entry.image(), image.astype(np.float16))
    np.testing.assert_array_equal(entry.classes(), classes)
    assert entry.record == RECORD


def test_arrays_in_any_memory_order_are_kept(store: PreparedStore) -> None:
    image, classes = arrays()
    store.write("case", "k", image=np.asfortranarray(image), classes=classes.T.copy().T, record={})
    entry = store.find("case", "k")
    assert entry is not None
    np.testing.assert_array_equal(entry.image(), image.astype(np.float16))
    np.testing.assert_array_equal(entry.classes(), classes)


INDICES = [
    (slice(None), slice(1, 4), slice(0, 7), slice(3, 3)),
    (slice(None), slice(1, 400), slice(-3, None), slice(2, 5)),
    1,
    (-1, 2),
    (..., 4),
    (slice(None), 0, slice(None), -1),
    (slice(None, None, 2), slice(3, 1)),
    np.array([1, 0, 1]),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.parametrize("kind", ["b2nd", "npy"])
def test_parts_are_what_numpy_gives(
    store: PreparedStore, monkeypatch: pytest.MonkeyPatch, index: object, kind: str
) -> None:
    if kind == "npy":
        monkeypatch.setattr(arrays_module.importlib.util, "find_spec", lambda name: None)
    entry = write(store)
    assert (entry.folder / f"image.{kind}").is_file()
    part, expected = entry.image()[index], arrays()[0].astype(np.float16)[index]
    assert part.dtype == np.float16
    np.testing.assert_array_equal(part, expected)
    part[...] = 0  # a copy, not the file
    np.testing.assert_array_equal(entry.image()[index], expected)


def test_an_index_outside_is_an_error(store: PreparedStore) -> None:
    with pytest.raises(IndexError):
        write(store).image()[2]


def test_larger_than_a_chunk(store: PreparedStore) -> None:
    image = np.random.default_rng(0).normal(size=(2, 70, 65, 131)).astype(np.float16)
    entry = store.write("case", "k", image=image, classes=None, record={})
    np.testing.assert_array_equal(entry.image(), image)
    np.testing.assert_array_equal(entry.image()[:, 60:70, 1:65, 63:130], image[:, 60:70, 1:65, 63:130])


def test_stored_cases_cross_process_borders(store: PreparedStore) -> None:
    entry = write(store)
    copied = pickle.loads(pickle.dumps(entry))
    np.testing.assert_array_equal(copied.image(), entry.image())


def test_foreground_positions_have_the_class_they_are_kept_for(store: PreparedStore) -> None:
    _, classes = arrays()
    entry = write(store)
    assert set(entry.foreground) == {1, 2, 3}
    for index, positions in entry.foreground.items():
        assert len(positions) == (classes == index).sum()
        assert (classes[tuple(positions.T)] == index).all()


def test_of_a_large_class_evenly_drawn_positions_are_kept(store: PreparedStore) -> None:
    classes = np.ones((40, 40, 40), dtype=np.uint8)
    entry = store.write("case", "k", image=np.zeros((1, 40, 40, 40)), classes=classes, record={})
    positions = entry.foreground[1]
    assert len(positions) == len(np.unique(positions, axis=0)) == 4096
    np.testing.assert_allclose(positions.mean(axis=0), 19.5, atol=1.0)


def test_no_foreground_in_a_case_without_tumour(store: PreparedStore) -> None:
    entry = store.write(
        "c", "k", image=np.zeros((1, 4, 4, 4)), classes=np.zeros((4, 4, 4), np.uint8), record={}
    )
    assert entry.foreground == {}


def test_classes_of_an_unlabelled_case_are_an_error(store: PreparedStore) -> None:
    entry = write(store, labelled=False)
    with pytest.raises(DataError, match="without a label map") as caught:
        entry.classes()
    assert caught.value.where == "case"


def test_nothing_is_found_under_another_key_or_case(store: PreparedStore) -> None:
    assert store.find("case", "k") is None
    write(store)
    assert store.find("case", "other") is None
    assert store.find("another", "k") is None


def test_a_folder_without_a_record_is_no_entry(store: PreparedStore) -> None:
    (store.folder / "case-k").mkdir(parents=True)
    assert store.find("case", "k") is None


def test_reading_leaves_no_file_open_and_no_map(store: PreparedStore) -> None:
    if not Path("/proc/self/maps").exists():
        pytest.skip("no /proc on this system")
    entry = write(store)

    def held() -> tuple[int, int]:
        maps = Path("/proc/self/maps").read_text()
        return len(os.listdir("/proc/self/fd")), maps.count(str(store.folder))

    before = held()
    for _ in range(20):
        np.asarray(entry.image())
        entry.classes()[:2]
    assert held() == before
