"""Preparation of cases: once for each content and setting, and whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brats3d.cases import Case
from brats3d.data.discovery import discover
from brats3d.data.splits import strata_by_presence
from brats3d.data.store import PreparedStore
from brats3d.errors import DataError
from brats3d.labels import custom_convention
from brats3d.transforms.preprocessing import Preprocessing
from brats3d.transforms.restoration import Restoration
from brats3d.workflows.preparation import prepare_cases, store_folder
from brats3d.workflows.prepared_case import find_prepared, origin_of, presence_in_store

PREPROCESSING = Preprocessing()


@pytest.fixture
def cases(copied_set: Path) -> list[Case]:
    return list(discover(copied_set).cases[:3])


@pytest.fixture
def store(tmp_path: Path) -> PreparedStore:
    return PreparedStore(tmp_path / "store")


class Counted:
    """Preprocessing that notes which cases it is asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        original = Preprocessing.prepare

        def prepare(settings: Preprocessing, case: Case, **options: bool) -> object:
            self.asked.append(case.case_id)
            return original(settings, case, **options)

        monkeypatch.setattr(Preprocessing, "prepare", prepare)

    def take(self) -> list[str]:
        asked, self.asked = sorted(self.asked), []
        return asked


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def test_entries_hold_what_preprocessing_made(cases: list[Case], store: PreparedStore) -> None:
    entries = prepare_cases(cases[::-1], PREPROCESSING, store)
    assert [entry.case_id for entry in entries] == [case.case_id for case in cases[::-1]]
    for entry, case in zip(entries, cases[::-1], strict=True):
        expected = PREPROCESSING.prepare(case, with_label=True)
        np.testing.assert_array_equal(entry.image(), expected.image.astype(np.float16))
        np.testing.assert_array_equal(entry.classes(), expected.classes)
        way_back = Restoration.from_dict(entry.record["restoration"])
        assert way_back.to_dict() == expected.restoration.to_dict()


def test_a_case_is_prepared_once(cases: list[Case], store: PreparedStore, counted: Counted) -> None:
    prepare_cases(cases[:2], PREPROCESSING, store)
    assert counted.take() == [case.case_id for case in cases[:2]]
    prepare_cases(cases, PREPROCESSING, store)
    assert counted.take() == [cases[2].case_id]
    prepare_cases(cases, PREPROCESSING, store)
    assert counted.take() == []


@pytest.mark.parametrize("part", ["t2", "label"])
def test_a_changed_file_is_prepared_again(
    cases: list[Case], store: PreparedStore, counted: Counted, part: str
) -> None:
    prepare_cases(cases, PREPROCESSING, store)
    counted.take()
    path = cases[1].label if part == "label" else cases[1].images[part]
    assert path is not None
    image = nib.load(path)
    voxels = np.asarray(image.dataobj).copy()
    voxels[16, 16, 16] = 2
    nib.save(nib.Nifti1Image(voxels, image.affine), path)
    entry = prepare_cases(cases, PREPROCESSING, store)[1]
    assert counted.take() == [cases[1].case_id]
    expected = PREPROCESSING.prepare(cases[1], with_label=True)
    np.testing.assert_array_equal(entry.classes(), expected.classes)
    np.testing.assert_array_equal(entry.image(), expected.image.astype(np.float16))


@pytest.mark.parametrize(
    "changes",
    [
        {"modalities": ("flair", "t1ce")},
        {"modalities": ("t1ce", "flair")},
        {"margin_voxels": 1},
        {"clip": 2.0},
        {"spacing_mm": (6.0, 6.0, 6.0)},
    ],
)
def test_other_settings_have_entries_of_their_own(
    cases: list[Case], store: PreparedStore, counted: Counted, changes: dict
) -> None:
    prepare_cases(cases[:1], Preprocessing(modalities=("flair", "t1", "t1ce")), store)
    prepare_cases(cases[:1], PREPROCESSING, store)
    counted.take()
    (entry,) = prepare_cases(cases[:1], replace(PREPROCESSING, **changes), store)
    assert counted.take() == [cases[0].case_id]
    assert entry.image().shape[0] == len(changes.get("modalities", PREPROCESSING.modalities))


def test_another_meaning_of_the_labels_has_entries_of_its_own(
    cases: list[Case], store: PreparedStore, counted: Counted
) -> None:
    (entry,) = prepare_cases(cases[:1], PREPROCESSING, store)
    counted.take()
    swapped = custom_convention({1: "NCR", 2: "ET", 4: "ED"})
    (other,) = prepare_cases([replace(cases[0], convention=swapped)], PREPROCESSING, store)
    assert counted.take() == [cases[0].case_id]
    assert not np.array_equal(entry.classes(), other.classes())
    whole = custom_convention({1: "a", 2: "b", 4: "c"}, {"tumor": ("a", "b", "c")})
    (binary,) = prepare_cases([replace(cases[0], convention=whole)], PREPROCESSING, store)
    np.testing.assert_array_equal(binary.classes(), np.asarray(entry.classes()) > 0)


def test_keys_are_the_same_in_every_process(cases: list[Case]) -> None:
    script = (
        "import sys; from brats3d.data.discovery import discover;"
        "from brats3d.transforms.preprocessing import Preprocessing;"
        "from brats3d.workflows.prepared_case import origin_of;"
        "print(origin_of(discover(sys.argv[1]).cases[0], Preprocessing()).key('b2nd'))"
    )
    # Sets of words are ordered by a hash that every process draws anew.
    finished = subprocess.run(
        [sys.executable, "-c", script, str(cases[0].images["t1"].parents[1])],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.strip() == origin_of(cases[0], PREPROCESSING).key("b2nd")


def test_a_case_without_a_label_map_is_found_before_any_is_prepared(
    cases: list[Case], store: PreparedStore, counted: Counted
) -> None:
    with pytest.raises(DataError, match="without a label map") as caught:
        prepare_cases([cases[0], replace(cases[1], label=None)], PREPROCESSING, store)
    assert caught.value.where == cases[1].case_id
    assert counted.take() == []
    assert not store.folder.exists()


def test_a_torn_file_leaves_only_whole_entries(cases: list[Case], store: PreparedStore) -> None:
    torn = cases[1].images["flair"]
    torn.write_bytes(torn.read_bytes()[:2000])
    with pytest.raises(DataError, match="cannot read") as caught:
        prepare_cases(cases, PREPROCESSING, store)
    assert caught.value.where == torn
    left = list(store.folder.iterdir()) if store.folder.exists() else []
    assert all((entry / "record.json").is_file() and not entry.name.startswith(".") for entry in left)
    assert not [entry for entry in left if entry.name.startswith(cases[1].case_id)]


def test_a_mended_file_is_taken(cases: list[Case], store: PreparedStore, tmp_path: Path) -> None:
    path = cases[0].images["flair"]
    shutil.copy(path, tmp_path / "whole")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError):
        prepare_cases(cases, PREPROCESSING, store)
    shutil.copy(tmp_path / "whole", path)
    assert len(prepare_cases(cases, PREPROCESSING, store)) == 3


def test_the_store_lies_beside_the_runs_unless_told_otherwise(tmp_path: Path) -> None:
    assert store_folder(None, str(tmp_path)) == tmp_path / ".prepared"
    assert store_folder(str(tmp_path / "fast"), "runs") == tmp_path / "fast"


def test_what_a_prepared_case_shows_is_known_without_its_label_map(
    cases: list[Case], store: PreparedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    regions, label = cases[0].convention.regions, nib.load(cases[0].label)
    without_et = np.where(np.asarray(label.dataobj) == 4, 1, label.dataobj).astype(np.uint8)
    nib.save(nib.Nifti1Image(without_et, label.affine), cases[0].label)
    by_reading = {region.name: strata_by_presence(cases, region) for region in regions}
    assert set(by_reading["ET"].values()) == {True, False}
    known = presence_in_store(PREPROCESSING, store)
    assert [known(case, regions[0]) for case in cases] == [None] * len(cases)
    prepare_cases(cases, PREPROCESSING, PreparedStore(store.folder))  # by another process, as it were

    def no_reading(path: Path) -> None:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr("brats3d.data.splits.read_volume", no_reading)
    for region in regions:
        assert strata_by_presence(cases, region, known) == by_reading[region.name]
    (store.folder / f"{cases[0].case_id}-{entry_key(cases[0], store)}" / "foreground.npz").write_bytes(
        b"torn"
    )
    assert known(cases[0], regions[0]) is None
    monkeypatch.undo()
    assert strata_by_presence(cases, regions[0], known) == by_reading["ET"]


def entry_key(case: Case, store: PreparedStore) -> str:
    (entry,) = store.folder.glob(f"{case.case_id}-*")
    return entry.name.rpartition("-")[2]


def test_the_store_is_listed_once_while_nothing_changes(
    cases: list[Case], store: PreparedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_cases(cases, PREPROCESSING, PreparedStore(store.folder))
    listed = []
    original = os.listdir

    def counting(path: Path) -> list[str]:
        listed.append(path)
        return original(path)

    monkeypatch.setattr("brats3d.data.store.folder.os.listdir", counting)
    assert all(find_prepared(case, PREPROCESSING, store) for case in cases)
    assert listed == [store.folder]
