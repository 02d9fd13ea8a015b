"""Data sets at URLs are found by their listing."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from layout_folders import MAKERS
from remote_storage import URL, first, found, upload

from brats3d.config import FitConfig, from_dict, with_absolute_paths
from brats3d.data.discovery import discover
from brats3d.data.remote import FileCache


class TestFinding:
    @pytest.mark.parametrize("layout", MAKERS)
    def test_a_listing_tells_what_a_folder_tells(
        self, layout: str, memory: MemoryFileSystem, cache: FileCache, tmp_path: Path
    ) -> None:
        root = tmp_path / "local" / layout
        MAKERS[layout](root)
        upload(memory, root, f"/bucket/{layout}")
        here, there = discover(root), found(cache, f"memory://bucket/{layout}")
        assert (there.layout, there.convention) == (here.layout, here.convention)
        assert there.notes[:-1] == here.notes
        assert str(cache.folder) in there.notes[-1]
        for case, same in zip(there.cases, here.cases, strict=True):
            assert (case.case_id, case.patient, case.visit) == (same.case_id, same.patient, same.visit)
            assert {m: path.name for m, path in case.images.items()} == {
                m: path.name for m, path in same.images.items()
            }
            assert (case.label and case.label.name) == (same.label and same.label.name)
            assert dict(case.channels) == dict(same.channels)

    @pytest.mark.parametrize("layout", ["msd", "nnunet"])
    def test_what_belongs_to_a_folder_of_images_lies_beside_it(
        self, layout: str, memory: MemoryFileSystem, cache: FileCache, tmp_path: Path
    ) -> None:
        MAKERS[layout](tmp_path / layout)
        upload(memory, tmp_path / layout, f"/bucket/{layout}")
        cases = found(cache, f"memory://bucket/{layout}/imagesTr/").cases
        assert [case.case_id for case in cases] == [
            case.case_id for case in discover(tmp_path / layout / "imagesTr").cases
        ]
        with cases[0].here():
            assert cases[0].label is not None
            assert cases[0].label.is_file()

    def test_a_naming_of_ones_own(self, remote: MemoryFileSystem, cache: FileCache) -> None:
        pattern = {"flair": "{case}/*_flair.nii.gz", "label": "{case}/*_seg.nii.gz"}
        there = discover(URL, pattern=pattern, convention="brats2017", cache=cache)
        assert [list(case.images) for case in there.cases] == [["flair"]] * 3

    def test_nothing_is_fetched_for_it(
        self, remote: MemoryFileSystem, cache: FileCache, fetched: list[str]
    ) -> None:
        assert len(found(cache).cases) == 3
        assert fetched == []
        assert not cache.folder.exists()

    def test_names_that_lead_elsewhere_are_passed_over(
        self, remote: MemoryFileSystem, cache: FileCache
    ) -> None:
        remote.store["/bucket/sets/brats2021/../x/x_t1.nii.gz"] = remote.store[
            "/bucket/sets/brats2021/BraTS2021_00000/BraTS2021_00000_t1.nii.gz"
        ]
        assert len(found(cache).cases) == 3

    def test_a_local_url_is_a_folder(self, phantoms: Path) -> None:
        assert discover(f"file://{phantoms}") == discover(phantoms)

    def test_a_case_crosses_process_borders(self, remote: MemoryFileSystem, cache: FileCache) -> None:
        case = first(cache)
        again = pickle.loads(pickle.dumps(case))
        assert again == case
        assert hash(again) == hash(case)


def test_urls_stay_as_they_are_in_a_configuration(tmp_path: Path) -> None:
    def root_of(root: str) -> str | None:
        return with_absolute_paths(from_dict(FitConfig, {"data": {"root": root}})).data.root

    assert root_of("s3://bucket/folder") == "s3://bucket/folder"
    assert root_of(f"file://{tmp_path}") == str(tmp_path)
    assert root_of("folder") == os.path.abspath("folder")


def test_the_cache_is_below_the_users_folder_for_such(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert FileCache.default_folder() == tmp_path / "brats3d"
