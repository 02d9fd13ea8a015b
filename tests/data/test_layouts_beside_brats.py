"""Data sets that are not BraTS: look-alikes are found and read, and their known oddities are told."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from brats3d.cases import MODALITIES, Case
from brats3d.data.discovery import IN_PIXELS, Discovery, discover
from brats3d.data.layouts.masks import LUNG_MASK, TUMOR_MASK
from brats3d.data.phantom import LOOKALIKES, make_phantom, write_phantoms
from brats3d.data.phantom.lookalikes.lookalike import Wanted
from brats3d.data.phantom.parameters import PhantomParameters
from brats3d.errors import ConfigError, DataError, LayoutError, OutputError
from brats3d.imaging import files_of, read_volume
from brats3d.labels import CONVENTIONS, LabelConvention, Region
from brats3d.transforms.preprocessing import Preprocessing

SIZE = (36, 34, 32)
MODALITIES_OF = {
    "lgg": ("t1", "t1ce", "flair"),
    "figshare": ("t1ce",),
    "montgomery": ("xray",),
    "chest_xray": ("xray",),
}


Make = Callable[..., Discovery]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes each data set once."""

    @functools.cache
    def write(layout: str, cases: int, with_labels: bool) -> Path:
        root = tmp_path_factory.mktemp(layout)
        write_phantoms(root, cases=cases, layout=layout, size=SIZE, seed=5, with_labels=with_labels)
        return root

    return write


@pytest.fixture
def made(tmp_path: Path, written: Callable[..., Path]) -> Make:
    """Finds the cases of a look-alike in the test's own folder."""

    def make(layout: str, cases: int = 3, with_labels: bool = True) -> Discovery:
        shutil.copytree(written(layout, cases, with_labels), tmp_path, dirs_exist_ok=True)
        return discover(tmp_path)

    return make


def noted(found: Discovery, text: str) -> str:
    return next(note for note in found.notes if text in note)


def mask_of(case: Case) -> np.ndarray:
    assert case.label is not None
    return case.convention.to_regions(case.convention.check(read_volume(case.label)[0], case.label))[0]


@pytest.mark.parametrize("layout", LOOKALIKES)
class TestEveryLookalike:
    def test_it_is_found_with_all_cases(self, layout: str, tmp_path: Path, made: Make) -> None:
        found = made(layout)
        assert found.layout == layout
        assert len(found.cases) == 3
        assert IN_PIXELS in found.notes
        assert {tuple(case.images) for case in found.cases} == {MODALITIES_OF[layout]}
        assert found == discover(tmp_path, layout=layout)
        assert found.for_training() is found
        for case in found.cases:
            assert case.convention in (TUMOR_MASK, LUNG_MASK)
            assert all(path.is_file() for image in case.images.values() for path in files_of(image))

    def test_it_is_prepared(self, layout: str, tmp_path: Path, made: Make) -> None:
        case = made(layout).cases[0]
        prepared = Preprocessing(modalities=MODALITIES_OF[layout], crop_to_brain=False).prepare(
            case, with_label=True
        )
        depth = SIZE[2] if layout == "lgg" else 1
        assert prepared.image.shape == (len(MODALITIES_OF[layout]), *SIZE[:2], depth)
        assert prepared.classes is not None
        assert 0 < prepared.classes.mean() < 0.5
        assert set(np.unique(prepared.classes)) == {0, 1}
        inside = prepared.image[0][prepared.brain]
        assert abs(inside.mean()) < 0.05
        assert prepared.restoration.geometry.unit == "pixel"
        restored = prepared.restoration.restore(prepared.classes, order=0)
        np.testing.assert_array_equal(restored > 0, mask_of(case))

    def test_without_labels_it_can_be_predicted(self, layout: str, tmp_path: Path, made: Make) -> None:
        case = made(layout, cases=1, with_labels=False).cases[0]
        Preprocessing(modalities=MODALITIES_OF[layout], crop_to_brain=False).prepare(case, with_label=False)

    def test_equal_seeds_write_equal_files(self, layout: str) -> None:
        wanted = Wanted(1, 5, SIZE, True, PhantomParameters())
        assert LOOKALIKES[layout].files(wanted) == LOOKALIKES[layout].files(wanted)

    def test_it_is_not_overwritten(self, layout: str, tmp_path: Path, made: Make) -> None:
        write_phantoms(tmp_path, cases=1, layout=layout, size=SIZE)
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        with pytest.raises(OutputError, match="exists already"):
            write_phantoms(tmp_path, cases=1, layout=layout, size=SIZE)
        assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    def test_visits_are_refused(self, layout: str, tmp_path: Path, made: Make) -> None:
        with pytest.raises(ConfigError, match="do not tell the visit"):
            write_phantoms(tmp_path, cases=1, layout=layout, size=SIZE, visits=2)

    def test_another_folder_is_not_taken_for_it(self, layout: str, tmp_path: Path, made: Make) -> None:
        (tmp_path / "photo.png").touch()
        (tmp_path / "cvind.mat").touch()
        with pytest.raises(LayoutError, match="no case in layout"):
            discover(tmp_path, layout=layout)

    def test_convention_of_the_user_wins(self, layout: str, tmp_path: Path, made: Make) -> None:
        made(layout, cases=1)
        own = LabelConvention("own", {255: "thing"}, (Region("thing", frozenset({"thing"})),))
        assert {case.convention for case in discover(tmp_path, convention=own).cases} == {own}


class TestGliomaSlices:
    def test_slices_are_the_phantom(self, tmp_path: Path, made: Make) -> None:
        case = made("lgg").cases[1]
        seed = Wanted(1, 5, SIZE, True, PhantomParameters()).seed_of(1)
        phantom = make_phantom(seed, SIZE)
        np.testing.assert_array_equal(mask_of(case), phantom.labels > 0)
        for modality, channel in (("t1", 0), ("flair", 1), ("t1ce", 2)):
            assert case.channels[modality] == channel
            voxels, _ = read_volume(case.images[modality], channel=channel)
            stored = phantom.images[modality]
            assert np.corrcoef(voxels[phantom.brain], stored[phantom.brain])[0, 1] > 0.99

    def test_patient_and_date(self, tmp_path: Path, made: Make) -> None:
        case = made("lgg", cases=1).cases[0]
        assert (case.case_id, case.patient, case.visit) == (
            "TCGA_PH_0001_20000101",
            "TCGA_PH_0001",
            "20000101",
        )

    def test_the_folder_of_one_patient(self, tmp_path: Path, made: Make) -> None:
        home = made("lgg").cases[0].images["t1"].parent
        assert [case.case_id for case in discover(home).cases] == [home.name]

    def test_a_slice_without_mask_makes_the_case_unlabelled(self, tmp_path: Path, made: Make) -> None:
        made("lgg")
        (tmp_path / "TCGA_PH_0002_20000101" / "TCGA_PH_0002_20000101_7_mask.tif").unlink()
        found = discover(tmp_path)
        assert [case.label is None for case in found.cases] == [False, True, False]
        assert "TCGA_PH_0002_20000101 (slice 7)" in noted(found, "without a mask")
        training = found.for_training()
        assert [case.patient for case in training.cases] == ["TCGA_PH_0001", "TCGA_PH_0003"]
        assert noted(training, "are left out").startswith("1 cases without a label map")

    def test_a_mask_without_slice_makes_the_case_unlabelled(self, tmp_path: Path, made: Make) -> None:
        made("lgg", cases=1)
        (tmp_path / "TCGA_PH_0001_20000101" / f"TCGA_PH_0001_20000101_{SIZE[2]}.tif").unlink()
        assert discover(tmp_path).cases[0].label is None

    def test_a_gap_is_an_error_when_the_case_is_read(self, tmp_path: Path, made: Make) -> None:
        made("lgg", cases=1)
        for ending in (".tif", "_mask.tif"):
            (tmp_path / "TCGA_PH_0001_20000101" / f"TCGA_PH_0001_20000101_7{ending}").unlink()
        (case,) = discover(tmp_path).cases
        with pytest.raises(DataError, match="slices are missing"):
            Preprocessing(modalities=MODALITIES_OF["lgg"]).prepare(case, with_label=True)

    def test_masks_of_another_size(self, tmp_path: Path, made: Make) -> None:
        made("lgg", cases=1)
        for path in tmp_path.glob("*/*_mask.tif"):
            Image.fromarray(np.zeros((30, 30), np.uint8)).save(path)
        (case,) = discover(tmp_path).cases
        with pytest.raises(DataError, match="label map lies on another grid"):
            Preprocessing(modalities=MODALITIES_OF["lgg"]).prepare(case, with_label=True)

    def test_the_table_gives_attributes_and_its_gaps_are_told(self, tmp_path: Path, made: Make) -> None:
        made("lgg")
        rows = ["Patient,gender,race,death01", "TCGA_PH_0001,2.0,NaN,", "TCGA_PH_0002,1.0,,0.0"]
        table = "\n".join([*rows, "TCGA_XX_9999,1.0,2,1"])
        (tmp_path / "data.csv").write_text(table)
        found = discover(tmp_path)
        assert [dict(case.attributes) for case in found.cases] == [
            {"gender": "2.0"},
            {"gender": "1.0", "death01": "0.0"},
            {},
        ]
        assert "TCGA_XX_9999" in noted(found, "without a folder")
        assert "TCGA_PH_0003" in noted(found, "without a row")

    @pytest.mark.parametrize("content", [b"Name,gender\nA,1\n", b"\xff\xfe\x00Patient"])
    def test_a_table_that_cannot_be_read_is_told(self, content: bytes, tmp_path: Path, made: Make) -> None:
        made("lgg", cases=1)
        (tmp_path / "data.csv").write_bytes(content)
        assert "is not read" in noted(discover(tmp_path), "data.csv")


class TestFigshare:
    def test_slices_of_a_patient_belong_together(self, tmp_path: Path, made: Make) -> None:
        found = made("figshare", cases=6)
        assert [case.patient for case in found.cases] == [str(100000 + number // 2) for number in range(6)]
        kinds = [case.attributes["diagnosis"] for case in found.cases]
        assert kinds == ["meningioma"] * 2 + ["glioma"] * 2 + ["pituitary"] * 2

    def test_the_border_goes_around_the_mask(self, tmp_path: Path, made: Make) -> None:
        case = made("figshare", cases=1).cases[0]
        file = tmp_path / "1.mat"
        with h5py.File(file) as content:
            x, y = content["cjdata/tumorBorder"][()].ravel().reshape(-1, 2).T
        # Shoelace formula.
        area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
        assert 0.5 < area / mask_of(case).sum() < 1.5

    @pytest.mark.parametrize("field", ["PID", "label"])
    def test_a_missing_field_is_an_error_of_the_search(self, field: str, tmp_path: Path, made: Make) -> None:
        made("figshare", cases=2)
        with h5py.File(tmp_path / "2.mat", "a") as content:
            del content["cjdata"][field]
        with pytest.raises(DataError, match=f"no field cjdata/{field}") as caught:
            discover(tmp_path)
        assert caught.value.where == tmp_path / "2.mat"

    def test_a_missing_mask_is_an_error_when_it_is_read(self, tmp_path: Path, made: Make) -> None:
        case = made("figshare", cases=1, with_labels=False).cases[0]
        with pytest.raises(DataError, match="no field cjdata/tumorMask"):
            Preprocessing(modalities=("t1ce",)).prepare(case, with_label=True)

    def test_an_unknown_kind_of_tumour(self, tmp_path: Path, made: Make) -> None:
        made("figshare", cases=1)
        with h5py.File(tmp_path / "1.mat", "a") as content:
            content["cjdata/label"][...] = 4
        with pytest.raises(DataError, match="unknown kind of tumour"):
            discover(tmp_path)

    def test_the_folds_of_the_authors_are_no_case(self, tmp_path: Path, made: Make) -> None:
        made("figshare", cases=1)
        (tmp_path / "cvind.mat").write_bytes(b"")
        assert len(discover(tmp_path).cases) == 1


class TestChestXrays:
    def test_findings_are_in_the_names(self, tmp_path: Path, made: Make) -> None:
        found = made("chest_xray", cases=2)
        assert [case.attributes["finding"] for case in found.cases] == ["normal", "tuberculosis"]

    def test_a_missing_mask_is_left_out_of_training_alone(self, tmp_path: Path, made: Make) -> None:
        made("chest_xray")
        (tmp_path / "masks" / "CHNCXR_0002_1_mask.png").unlink()
        found = discover(tmp_path)
        assert len(found.cases) == 3
        assert "CHNCXR_0002_1" in noted(found, "without a label map")
        assert [case.case_id for case in found.for_training().cases] == ["CHNCXR_0001_0", "CHNCXR_0003_0"]

    def test_masks_of_montgomery_have_no_ending_on_kaggle(self, tmp_path: Path, made: Make) -> None:
        made("chest_xray", cases=1)
        (tmp_path / "CXR_png" / "CHNCXR_0001_0.png").rename(tmp_path / "CXR_png" / "MCUCXR_0001_0.png")
        (tmp_path / "masks" / "CHNCXR_0001_0_mask.png").rename(tmp_path / "masks" / "MCUCXR_0001_0.png")
        (case,) = discover(tmp_path).cases
        assert case.label == tmp_path / "masks" / "MCUCXR_0001_0.png"

    def test_a_mask_without_an_image_is_told(self, tmp_path: Path, made: Make) -> None:
        made("chest_xray", cases=2)
        (tmp_path / "CXR_png" / "CHNCXR_0001_0.png").unlink()
        found = discover(tmp_path)
        assert len(found.cases) == 1
        assert "CHNCXR_0001_0_mask.png" in noted(found, "masks without an image")

    def test_one_lung_alone_is_no_mask(self, tmp_path: Path, made: Make) -> None:
        made("montgomery", cases=2)
        (tmp_path / "ManualMask" / "leftMask" / "MCUCXR_0001_0.png").unlink()
        found = discover(tmp_path)
        assert [case.label is None for case in found.cases] == [True, False]
        assert "MCUCXR_0001_0.png" in noted(found, "one lung alone")

    def test_lungs_can_be_told_apart(self, tmp_path: Path, made: Make) -> None:
        made("montgomery", cases=1)
        sides = {1: "left_lung", 2: "right_lung"}
        regions = tuple(Region(side, frozenset({side})) for side in sides.values())
        (case,) = discover(tmp_path, convention=LabelConvention("own", sides, regions)).cases
        assert case.label is not None
        left, right = case.convention.to_regions(case.convention.check(read_volume(case.label)[0], "x"))
        columns = [np.nonzero(lung)[0].mean() for lung in (left, right)]
        assert columns[0] > SIZE[0] / 2 > columns[1]

    def test_a_mask_of_another_size(self, tmp_path: Path, made: Make) -> None:
        made("chest_xray", cases=1)
        Image.fromarray(np.zeros((30, 30), np.uint8)).save(tmp_path / "masks" / "CHNCXR_0001_0_mask.png")
        (case,) = discover(tmp_path).cases
        with pytest.raises(DataError, match="label map lies on another grid"):
            Preprocessing(modalities=("xray",)).prepare(case, with_label=True)

    def test_one_data_set_is_not_taken_for_the_other(self, tmp_path: Path, made: Make) -> None:
        made("montgomery", cases=1)
        with pytest.raises(LayoutError, match="no case in layout 'chest_xray'"):
            discover(tmp_path, layout="chest_xray")

    def test_a_naming_of_the_user(self, tmp_path: Path, made: Make) -> None:
        made("chest_xray", cases=2)
        pattern = {"xray": "CXR_png/{case}.png", "label": "masks/{case}_mask.png"}
        found = discover(tmp_path, pattern=pattern, convention=LUNG_MASK)
        assert [list(case.images) for case in found.cases] == [["xray"], ["xray"]]


class TestDicom:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        for case in ("B", "A"):
            for name in ("T1c", "FLAIR", "notes"):
                (tmp_path / case / name).mkdir(parents=True)
                (tmp_path / case / name / "1.2.840.113").touch()
        return tmp_path

    def test_folders_are_named_by_modality(self, root: Path) -> None:
        found = discover(root)
        assert (found.layout, found.convention_known) == ("dicom", False)
        assert [case.case_id for case in found.cases] == ["A", "B"]
        assert dict(found.cases[0].images) == {"t1ce": root / "A" / "T1c", "flair": root / "A" / "FLAIR"}
        assert discover(root / "B").cases[0].case_id == "B"

    def test_two_folders_for_one_modality(self, root: Path) -> None:
        (root / "A" / "t1ce").mkdir()
        (root / "A" / "t1ce" / "IM1.dcm").touch()
        with pytest.raises(LayoutError, match="two folders for t1ce"):
            discover(root)

    def test_other_files_are_no_series(self, tmp_path: Path, made: Make) -> None:
        (tmp_path / "A" / "t1").mkdir(parents=True)
        (tmp_path / "A" / "t1" / "image.mha").touch()
        with pytest.raises(LayoutError, match="not a data set"):
            discover(tmp_path)


def test_a_forgotten_choice_of_modalities_is_told(tmp_path: Path, made: Make) -> None:
    case = made("chest_xray", cases=1).cases[0]
    with pytest.raises(DataError, match=r"data.modalities, such as \[xray\]"):
        Preprocessing(modalities=MODALITIES).prepare(case, with_label=True)


def test_a_brats_data_set_is_none_of_these(tmp_path: Path, made: Make) -> None:
    write_phantoms(tmp_path, cases=1, size=SIZE)
    found = discover(tmp_path)
    assert (found.layout, found.convention) == ("brats2021", CONVENTIONS["brats2017"])
    assert IN_PIXELS not in found.notes
    assert not found.partly_labelled
