"""Each layout on a folder of empty files: names decide, nothing is opened."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from brats3d.cases import MODALITIES
from brats3d.data.discovery import discover
from brats3d.data.layouts import LAYOUTS
from brats3d.data.layouts.visits import patient_and_visit
from brats3d.errors import ConfigError, LayoutError
from brats3d.labels import CONVENTIONS, ET, TC, WT

UNDERSCORED = ("t1", "t1ce", "t2", "flair", "seg")
DASHED = ("t1n", "t1c", "t2w", "t2f", "seg")
PATTERN_2015 = {
    "flair": "{case}/Flair_subtrMeanDivStd.nii.gz",
    "t1ce": "{case}/T1c_subtrMeanDivStd.nii.gz",
    "label": "{case}/OTMultiClass.nii.gz",
    "mask": "{case}/brainmask.nii.gz",
}
MSD_JSON = {
    "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
    "labels": {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
}
NNUNET_JSON = {
    "channel_names": {"0": "T1", "1": "T1ce", "2": "T2", "3": "Flair"},
    "labels": {
        "background": 0,
        "whole tumor": [1, 2, 3],
        "tumor core": [2, 3],
        "enhancing tumor": [3],
    },
    "regions_class_order": [1, 2, 3],
    "file_ending": ".nii.gz",
}


def touch(root: Path, names: Iterable[str]) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def add_case(
    folder: Path, case_id: str, endings: Iterable[str] = UNDERSCORED, suffix: str = ".nii.gz"
) -> None:
    joint = "_" if set(endings) & {"t1", "t1ce", "t2", "flair"} else "-"
    touch(folder / case_id, [f"{case_id}{joint}{ending}{suffix}" for ending in endings])


def write_json(root: Path, content: Any) -> None:
    (root / "dataset.json").write_text(json.dumps(content))


def make_brats2018(root: Path) -> None:
    add_case(root / "HGG", "Brats18_TCIA01_150_1")
    add_case(root / "HGG", "BraTS19_CBICA_AAB_1")
    add_case(root / "LGG", "Brats18_2013_0_1")
    touch(root, ["survival_data.csv"])


def make_brats2020(root: Path) -> None:
    folder = root / "MICCAI_BraTS2020_TrainingData"
    add_case(folder, "BraTS20_Training_001", suffix=".nii")
    add_case(folder, "BraTS20_Training_355", UNDERSCORED[:4], suffix=".nii")
    touch(folder / "BraTS20_Training_355", ["W39_1998.09.19_Segm.nii"])
    add_case(folder, "BraTS20_Training_369")


def make_brats2021(root: Path) -> None:
    for number in range(3):
        add_case(root, f"BraTS2021_{number:05d}")


def make_brats2023(root: Path) -> None:
    for case_id in ("BraTS-GLI-00005-000", "BraTS-GLI-00005-001", "BraTS-MET-00110-000", "BraTS-GoAT-00001"):
        add_case(root, case_id, DASHED)


def make_msd(root: Path) -> None:
    touch(root, ["imagesTr/BRATS_001.nii.gz", "imagesTr/BRATS_002.nii.gz", "imagesTs/BRATS_485.nii.gz"])
    touch(root, ["labelsTr/BRATS_001.nii.gz", "labelsTr/BRATS_002.nii.gz", "imagesTr/._BRATS_001.nii.gz"])
    write_json(root, MSD_JSON)


def make_nnunet(root: Path) -> None:
    for case_id in ("BraTS-GLI-00005-000", "case_02"):
        touch(root / "imagesTr", [f"{case_id}_{channel:04d}.nii.gz" for channel in range(4)])
        touch(root / "labelsTr", [f"{case_id}.nii.gz"])
    write_json(root, NNUNET_JSON)


MAKERS = {
    "brats2018": make_brats2018,
    "brats2020": make_brats2020,
    "brats2021": make_brats2021,
    "brats2023": make_brats2023,
    "msd": make_msd,
    "nnunet": make_nnunet,
}


@pytest.mark.parametrize("name", LAYOUTS)
class TestEveryLayout:
    """What every entry of the registry must do."""

    def test_is_detected_with_all_cases(self, name: str, tmp_path: Path) -> None:
        MAKERS[name](tmp_path)
        found = discover(tmp_path)
        assert found.layout == name
        assert len(found.cases) == {"brats2023": 4, "msd": 2, "nnunet": 2}.get(name, 3)
        for case in found.cases:
            assert tuple(case.images) == MODALITIES
            assert case.label is not None
            assert all(path.is_file() for path in (*case.images.values(), case.label))
            assert case.convention == found.convention

    def test_named_is_the_same_as_detected(self, name: str, tmp_path: Path) -> None:
        MAKERS[name](tmp_path)
        assert discover(tmp_path, layout=name) == discover(tmp_path)

    def test_entry_is_registered_under_its_name_and_described(self, name: str) -> None:
        layout = LAYOUTS[name]
        assert layout.name == name
        assert layout.description
        assert layout.example

    def test_convention_of_the_user_wins(self, name: str, tmp_path: Path) -> None:
        MAKERS[name](tmp_path)
        found = discover(tmp_path, convention="brats2024-ped")
        assert found.convention == CONVENTIONS["brats2024-ped"]
        assert {case.convention.name for case in found.cases} == {"brats2024-ped"}
        assert discover(tmp_path, convention=CONVENTIONS["brats2012"]).convention.name == "brats2012"

    def test_another_folder_is_not_taken_for_it(self, name: str, tmp_path: Path) -> None:
        touch(tmp_path, ["a/photo.png", "b/scan.nii.gz", "README.txt"])
        with pytest.raises(LayoutError, match="no case in layout"):
            discover(tmp_path, layout=name)


def test_case_names_tell_patient_and_visit() -> None:
    assert patient_and_visit("BraTS-GLI-00005-100") == ("BraTS-GLI-00005", "100")
    assert patient_and_visit("BraTS-MEN-00004-000") == ("BraTS-MEN-00004", "000")
    assert patient_and_visit("BraTS-GoAT-00001") == ("BraTS-GoAT-00001", "")
    assert patient_and_visit("Brats18_TCIA01_150_1") == ("Brats18_TCIA01_150", "1")
    assert patient_and_visit("BraTS20_Training_001") == ("BraTS20_Training_001", "")
    assert patient_and_visit("BraTS2021_00006") == ("BraTS2021_00006", "")


def test_years_until_2022_have_the_convention_of_2017(tmp_path: Path) -> None:
    for name in ("brats2018", "brats2020", "brats2021"):
        MAKERS[name](tmp_path / name)
        assert discover(tmp_path / name).convention.name == "brats2017"


def test_validation_set_of_2018_has_no_grades(tmp_path: Path) -> None:
    add_case(tmp_path, "Brats18_CBICA_AAM_1", UNDERSCORED[:4])
    found = discover(tmp_path)
    assert found.layout == "brats2018"
    assert found.cases[0].label is None
    assert any("no case has a label map" in note for note in found.notes)


def test_case_355_of_2020_has_its_oddly_named_mask(tmp_path: Path) -> None:
    make_brats2020(tmp_path)
    labels = {case.case_id: case.label for case in discover(tmp_path).cases}
    odd = labels["BraTS20_Training_355"]
    assert odd is not None
    assert odd.name == "W39_1998.09.19_Segm.nii"


def test_of_two_files_with_one_name_the_compressed_one_is_read_and_reported(tmp_path: Path) -> None:
    add_case(tmp_path, "BraTS20_Training_001")
    touch(tmp_path / "BraTS20_Training_001", ["BraTS20_Training_001_t1.nii"])
    found = discover(tmp_path)
    assert found.cases[0].images["t1"].name == "BraTS20_Training_001_t1.nii.gz"
    assert any("BraTS20_Training_001_t1.nii is not read" in note for note in found.notes)


def test_names_of_no_year_are_read_as_2021_with_a_note(tmp_path: Path) -> None:
    add_case(tmp_path, "patient_7")
    found = discover(tmp_path)
    assert (found.layout, found.convention.name) == ("brats2021", "brats2017")
    assert any("patient_7" in note and "data.convention" in note for note in found.notes)
    assert not discover(tmp_path, convention="brats2023").notes


class TestBrats2023:
    @pytest.mark.parametrize("cohort", ["GLI", "MEN", "MET", "SSA", "GoAT"])
    def test_cohorts_of_2023(self, cohort: str, tmp_path: Path) -> None:
        add_case(tmp_path, f"BraTS-{cohort}-00005-000", DASHED)
        found = discover(tmp_path)
        assert (found.layout, found.convention.name, found.notes) == ("brats2023", "brats2023", ())

    def test_visits_of_a_patient(self, tmp_path: Path) -> None:
        make_brats2023(tmp_path)
        cases = {case.case_id: case for case in discover(tmp_path).cases}
        assert cases["BraTS-GLI-00005-000"].patient == cases["BraTS-GLI-00005-001"].patient
        assert cases["BraTS-GLI-00005-001"].visit == "001"

    def test_post_treatment_gliomas_have_a_cavity(self, tmp_path: Path) -> None:
        add_case(tmp_path, "BraTS-GLI-00005-100", DASHED)
        add_case(tmp_path, "BraTS-GLI-00006-000", DASHED)
        found = discover(tmp_path)
        assert found.convention.name == "brats2024-gli"
        assert {case.convention.name for case in found.cases} == {"brats2024-gli"}
        assert any("BraTS-GLI-00005-100" in note for note in found.notes)

    def test_a_high_visit_of_another_cohort_is_not_post_treatment(self, tmp_path: Path) -> None:
        add_case(tmp_path, "BraTS-MET-00005-100", DASHED)
        assert discover(tmp_path).convention.name == "brats2023"

    def test_paediatric_cases_are_reported_as_open(self, tmp_path: Path) -> None:
        add_case(tmp_path, "BraTS-PED-00001-000", DASHED)
        found = discover(tmp_path)
        assert found.convention.name == "brats2023"
        assert any("brats2024-ped" in note for note in found.notes)
        assert not discover(tmp_path, convention="brats2024-ped").notes


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


class TestPattern:
    def make(self, root: Path, cases: Iterable[str] = ("a_1", "b_1")) -> None:
        for case in cases:
            touch(root, [path.format(case=case) for path in PATTERN_2015.values()])
            touch(root / case, ["License.txt"])

    def test_finds_images_label_and_mask(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        found = discover(tmp_path, pattern=PATTERN_2015, convention="brats2012")
        assert found.layout == "pattern"
        assert [case.case_id for case in found.cases] == ["a_1", "b_1"]
        case = found.cases[0]
        assert list(case.images) == ["t1ce", "flair"]
        assert case.label == tmp_path / "a_1" / "OTMultiClass.nii.gz"
        assert case.brain_mask == tmp_path / "a_1" / "brainmask.nii.gz"

    def test_root_may_be_one_case(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        found = discover(tmp_path / "b_1", pattern=PATTERN_2015, convention="brats2012")
        assert [case.case_id for case in found.cases] == ["b_1"]

    def test_patients_and_wildcards(self, tmp_path: Path) -> None:
        touch(tmp_path, [f"p{p}/p{p}v{v}/scan{v}_T2.nii.gz" for p in (1, 2) for v in (1, 2)])
        found = discover(tmp_path, pattern={"t2": "{patient}/{case}/*_T2.nii.gz"})
        assert {case.case_id: case.patient for case in found.cases} == {
            "p1v1": "p1",
            "p1v2": "p1",
            "p2v1": "p2",
            "p2v2": "p2",
        }

    def test_a_placeholder_repeats_its_value(self, tmp_path: Path) -> None:
        touch(tmp_path, ["a/a_t1.nii", "a/b_t1.nii"])
        found = discover(tmp_path, pattern={"t1": "{case}/{case}_t1.nii"})
        assert [case.images["t1"].name for case in found.cases] == ["a_t1.nii"]

    def test_labels_need_a_convention(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        with pytest.raises(ConfigError, match=r"data\.convention"):
            discover(tmp_path, pattern=PATTERN_2015)

    def test_two_files_for_one_case(self, tmp_path: Path) -> None:
        touch(tmp_path, ["a/x_T2.nii", "a/y_T2.nii", "p/c/T1.nii", "q/c/T1.nii"])
        with pytest.raises(LayoutError, match="two files"):
            discover(tmp_path, pattern={"t2": "{case}/*_T2.nii"})
        with pytest.raises(LayoutError, match="two files"):
            discover(tmp_path, pattern={"t1": "{patient}/{case}/T1.nii"})

    def test_cases_without_an_image_are_left_out_with_a_note(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        touch(tmp_path, ["c_1/OTMultiClass.nii.gz"])
        found = discover(tmp_path, pattern=PATTERN_2015, convention="brats2012")
        assert len(found.cases) == 2
        assert any("c_1" in note for note in found.notes)

    @pytest.mark.parametrize(
        ("pattern", "message"),
        [
            ({"flare": "{case}/a.nii"}, "did you mean 'flair'"),
            ({"flair": "{id}/a.nii"}, "unknown placeholder {id}"),
            ({"flair": "scans/a.nii"}, "{case}"),
            ({"flair": "/data/{case}.nii"}, "below the root"),
            ({"flair": "../{case}.nii"}, "below the root"),
            ({"label": "{case}/a.nii"}, "without a modality"),
            ({"t1c": "{case}/a.nii", "t1ce": "{case}/b.nii"}, "two patterns"),
        ],
    )
    def test_patterns_that_cannot_work(self, pattern: dict[str, str], message: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=message):
            discover(tmp_path, pattern=pattern)

    def test_nothing_fits(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        with pytest.raises(LayoutError, match=r"\{case\}/t9\.nii"):
            discover(tmp_path, pattern={"t1": "{case}/t9.nii"})

    def test_pattern_and_layout_exclude_each_other(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="exclude"):
            discover(tmp_path, layout="brats2021", pattern=PATTERN_2015)
        with pytest.raises(ConfigError, match="needs a pattern"):
            discover(tmp_path, layout="pattern")
