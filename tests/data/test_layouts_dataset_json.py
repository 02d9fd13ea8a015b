"""Layouts with a dataset.json: the Decathlon and nnU-Net, on folders of empty files."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from layout_folders import MSD_JSON, NNUNET_JSON, make_msd, make_nnunet, touch, write_json

from brats3d.data.discovery import discover
from brats3d.errors import ConfigError, LayoutError
from brats3d.labels import CONVENTIONS, ET, TC, WT


class TestMsd:
    def test_channels_come_from_dataset_json(self, tmp_path: Path) -> None:
        make_msd(tmp_path)
        case = discover(tmp_path).cases[0]
        assert dict(case.channels) == {"flair": 0, "t1": 1, "t1ce": 2, "t2": 3}
        assert set(case.images.values()) == {tmp_path / "imagesTr" / "BRATS_001.nii.gz"}
        assert case.convention == CONVENTIONS["msd-task01"]
        assert pickle.loads(pickle.dumps(case)) == case

    def test_test_images_are_a_data_set_of_their_own(self, tmp_path: Path) -> None:
        make_msd(tmp_path)
        assert any("imagesTs" in note for note in discover(tmp_path).notes)
        found = discover(tmp_path / "imagesTs")
        assert [case.case_id for case in found.cases] == ["BRATS_485"]
        assert found.cases[0].label is None
        assert len(discover(tmp_path / "imagesTr").cases) == 2

    def test_missing_dataset_json(self, tmp_path: Path) -> None:
        make_msd(tmp_path)
        (tmp_path / "dataset.json").unlink()
        with pytest.raises(LayoutError, match=r"dataset\.json"):
            discover(tmp_path)

    @pytest.mark.parametrize("content", ["{", "[]", "{}", '{"modality": 3}'])
    def test_torn_dataset_json(self, content: str, tmp_path: Path) -> None:
        make_msd(tmp_path)
        (tmp_path / "dataset.json").write_text(content)
        with pytest.raises(LayoutError, match=r"dataset\.json"):
            discover(tmp_path)

    def test_a_channel_that_is_no_modality(self, tmp_path: Path) -> None:
        make_msd(tmp_path)
        write_json(tmp_path, {**MSD_JSON, "modality": {"0": "CT"}})
        with pytest.raises(LayoutError, match="channel 0 is 'CT'"):
            discover(tmp_path)


class TestNnunet:
    def test_channels_become_modalities(self, tmp_path: Path) -> None:
        make_nnunet(tmp_path)
        case = discover(tmp_path).cases[0]
        assert case.images["flair"].name == "BraTS-GLI-00005-000_0003.nii.gz"
        assert (case.patient, case.visit) == ("BraTS-GLI-00005", "000")
        assert not case.channels

    def test_regions_become_a_convention(self, tmp_path: Path) -> None:
        make_nnunet(tmp_path)
        convention = discover(tmp_path).convention
        members = {
            region.name: {value for value, tissue in convention.tissues.items() if tissue in region.tissues}
            for region in convention.regions
        }
        assert members == {ET.name: {3}, TC.name: {2, 3}, WT.name: {1, 2, 3}}

    @pytest.mark.parametrize(
        ("labels", "expected"),
        [
            ({"background": 0, "NCR": 1, "ED": 2, "ET": 3}, "brats2023"),
            ({"background": 0, "edema": 1, "non-enhancing tumour": 2, "enhancing tumour": 3}, "msd-task01"),
            ({"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "ET": 3}, "brats2023"),
            ({"background": 0, "NETC": 1, "SNFH": 2, "ET": 3, "resection cavity": 4}, "brats2024-gli"),
            ({"0": "background", "1": "necrosis", "2": "oedema", "4": "enhancing"}, "brats2017"),
        ],
    )
    def test_labels_are_understood_by_name(
        self, labels: dict[str, object], expected: str, tmp_path: Path
    ) -> None:
        make_nnunet(tmp_path)
        write_json(tmp_path, {**NNUNET_JSON, "labels": labels})
        assert discover(tmp_path).convention == CONVENTIONS[expected]

    @pytest.mark.parametrize(
        "labels",
        [
            {"background": 0, "lung": 1},
            {"background": 0},
            {"background": 0, "whole tumor": [1, 2], "ET": 2},
            {"background": 0, "ED": [1, 2]},
        ],
    )
    def test_other_names_ask_the_user(self, labels: dict[str, object], tmp_path: Path) -> None:
        make_nnunet(tmp_path)
        write_json(tmp_path, {**NNUNET_JSON, "labels": labels})
        with pytest.raises(ConfigError, match=r"data\.labels"):
            discover(tmp_path)
        assert discover(tmp_path, convention="brats2023").layout == "nnunet"

    def test_older_dataset_json_with_the_keys_of_the_decathlon(self, tmp_path: Path) -> None:
        make_nnunet(tmp_path)
        write_json(tmp_path, MSD_JSON)
        found = discover(tmp_path)
        assert (found.layout, found.convention.name) == ("nnunet", "msd-task01")
        assert found.cases[0].images["flair"].name.endswith("_0000.nii.gz")

    def test_a_channel_without_a_name(self, tmp_path: Path) -> None:
        make_nnunet(tmp_path)
        touch(tmp_path / "imagesTr", ["case_02_0004.nii.gz"])
        with pytest.raises(LayoutError, match="channel 0004"):
            discover(tmp_path)
