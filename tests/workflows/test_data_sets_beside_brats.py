"""Data sets that are not BraTS, from the training to the scores, and DICOM series as input."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from brats3d.config import DataConfig, FitConfig, PredictConfig, PrepareConfig
from brats3d.data.discovery import IN_PIXELS, discover
from brats3d.data.phantom import write_phantoms
from brats3d.errors import DataError, OutputError
from brats3d.imaging import read_geometry, read_volume
from brats3d.metrics import PROFILES, evaluate_case
from brats3d.postprocessing import Postprocessing
from brats3d.workflows.evaluate import evaluate
from brats3d.workflows.fit import FitResult, fit
from brats3d.workflows.out_of_fold import keep_case, read_case
from brats3d.workflows.predict import predict
from brats3d.workflows.prepare import prepare

MakeConfig = Callable[..., FitConfig]
SIZE = (48, 40, 32)
PLANE = {
    "model__spatial_dims": 2,
    "patch__size": [16, 16],
    "preprocess__crop_to_brain": False,
    "trainer__max_epochs": 1,
}
NAME = "SECRET^PATIENT"


def job(run: FitResult, output: Path, **changes: object) -> PredictConfig:
    return PredictConfig(run=(str(run.run),), output=str(output), accelerator="cpu", **changes)


@pytest.fixture(scope="module")
def chests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five X-rays, of which the second has no mask."""
    root = tmp_path_factory.mktemp("chests")
    write_phantoms(root, cases=5, layout="chest_xray", size=SIZE)
    (root / "masks" / "CHNCXR_0002_1_mask.png").unlink()
    return root


@pytest.fixture(scope="module")
def lungs(chests: Path, fit_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    changes = {**PLANE, "data__modalities": ["xray"], "data__root": str(chests)}
    return fit(fit_config(tmp_path_factory.mktemp("runs"), "lungs", **changes))


@pytest.fixture(scope="module")
def tumours(fit_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    root = tmp_path_factory.mktemp("figshare")
    write_phantoms(root, cases=6, layout="figshare", size=(32, 32, 32))
    changes = {**PLANE, "data__modalities": ["t1ce"], "data__root": str(root)}
    return fit(fit_config(tmp_path_factory.mktemp("runs"), "tumours", **changes))


class TestPictures:
    def test_a_case_without_mask_is_not_trained_with(self, lungs: FitResult) -> None:
        assert "CHNCXR_0002_1" not in (lungs.run / "split.json").read_text()
        assert {row.region for row in lungs.rows} == {"lung"}

    def test_it_is_not_prepared_either(self, chests: Path, tmp_path: Path) -> None:
        config = PrepareConfig(folder=str(tmp_path), data=DataConfig(root=str(chests), modalities=("xray",)))
        assert len(prepare(config).cases) == 4

    def test_but_predicted_as_label_map_and_picture(
        self, lungs: FitResult, chests: Path, tmp_path: Path
    ) -> None:
        paths = predict(job(lungs, tmp_path / "p", input=str(chests)))
        assert len(paths) == 5
        for path in paths:
            case_id = path.name.removesuffix(".nii.gz")
            labels = nib.load(path)
            assert labels.shape == (48, 40, 1)
            assert labels.header.get_xyzt_units()[0] == "unknown"
            with Image.open(tmp_path / "p" / f"{case_id}_mask.png") as picture:
                assert picture.size == (48, 40)
                pixels = np.asarray(picture)
            np.testing.assert_array_equal(pixels, (np.asarray(labels.dataobj)[..., 0].T > 0) * 255)

    def test_pictures_are_not_overwritten(self, lungs: FitResult, chests: Path, tmp_path: Path) -> None:
        (tmp_path / "CHNCXR_0004_1_mask.png").write_bytes(b"mine")
        with pytest.raises(OutputError, match="exist already"):
            predict(job(lungs, tmp_path, input=str(chests)))
        assert [path.name for path in tmp_path.iterdir()] == ["CHNCXR_0004_1_mask.png"]

    def test_a_single_picture(self, lungs: FitResult, chests: Path, tmp_path: Path) -> None:
        image = chests / "CXR_png" / "CHNCXR_0003_0.png"
        (path,) = predict(job(lungs, tmp_path, files={"xray": str(image)}))
        assert path.name == "CHNCXR_0003_0.nii.gz"
        assert read_geometry(image).difference(read_geometry(path)) is None

    def test_the_references_are_the_masks(self, chests: Path, tmp_path: Path) -> None:
        """A perfect prediction scores one, a shifted one in pixels, and the mask's file tells a change."""
        data, predictions = tmp_path / "data", tmp_path / "p"
        shutil.copytree(chests, data)
        predictions.mkdir()
        for mask in sorted((data / "masks").iterdir()):
            voxels, geometry = read_volume(mask)
            image = nib.Nifti1Image((np.roll(voxels, 2, axis=0) > 0).astype(np.uint8), geometry.affine)
            nib.save(image, predictions / f"{mask.stem.removesuffix('_mask')}.nii.gz")
        result = evaluate(predictions, data)
        assert [row.region for row in result.rows] == ["lung"] * 4
        assert all(row.scores["hd100_mm"] == pytest.approx(2) for row in result.rows)
        assert IN_PIXELS in result.notes
        nib.save(
            nib.Nifti1Image(read_volume(mask)[0].astype(np.uint8), geometry.affine),
            predictions / f"{mask.stem.removesuffix('_mask')}.nii.gz",
        )
        again = evaluate(predictions, data, overwrite=True)
        assert again.rows[-1].scores["dice"] == 1

    def test_planes_are_scored_by_their_contours(
        self, lungs: FitResult, chests: Path, tmp_path: Path
    ) -> None:
        """The test cases of a training get the scores that ``evaluate`` gives them."""
        with (lungs.run / "metrics.csv").open() as table:
            (trained,) = csv.DictReader(table)
        predictions = tmp_path / "p"
        predict(job(lungs, predictions, input=str(chests)))
        rows = {row.case_id: row for row in evaluate(predictions, chests).rows}
        for metric in ("dice", "hd95_mm", "nsd_1mm"):
            assert rows[trained["case_id"]].scores[metric] == pytest.approx(
                float(trained[metric]), nan_ok=True
            )

    def test_out_of_fold_too(self, chests: Path, tmp_path: Path) -> None:
        """Distances are those of the contours; every pixel of a volume of one slice would be surface."""
        case = discover(chests).cases[0]
        assert case.label is not None
        mask, geometry = read_volume(case.label)
        shifted = np.roll(mask > 0, 2, axis=0).astype(np.float32)[None]
        keep_case(tmp_path, case, shifted, geometry, origin="")
        kept = read_case(tmp_path, case.case_id)
        assert kept.is_plane
        rules = Postprocessing()
        (row,) = kept.scores(rules, case.convention, PROFILES["brats2023-gli"]).rows
        expected = evaluate_case(
            shifted[..., 0] > 0,
            mask[None, ..., 0] > 0,
            spacing_mm=(1, 1),
            regions=["lung"],
            case_id="a",
            profile=PROFILES["brats2023-gli"],
        ).rows[0]
        assert row.scores["hd95_mm"] == pytest.approx(expected.scores["hd95_mm"])
        assert row.scores["asd_mm"] == pytest.approx(expected.scores["asd_mm"])

    def test_the_phantoms_of_a_recipe_have_its_layout(self, fit_config: MakeConfig, tmp_path: Path) -> None:
        changes = {"data__root": None, "data__layout": "montgomery", "data__modalities": ["xray"]}
        phantoms = {"data__phantoms__cases": 4, "data__phantoms__size": [32, 32, 32]}
        result = fit(fit_config(tmp_path, "run", **{**PLANE, **changes, **phantoms}))
        assert {row.region for row in result.rows} == {"lung"}

    def test_forgotten_modalities(self, chests: Path, fit_config: MakeConfig, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"got: +modalities xray"):
            fit(fit_config(tmp_path, "run", data__root=str(chests), **PLANE))
        assert not (tmp_path / "run").exists()


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A case of one series of six slices, whose headers name a patient."""
    folder = tmp_path / "study" / "case7" / "t1ce"
    folder.mkdir(parents=True)
    voxels = np.random.default_rng(0).integers(1, 500, (6, 20, 24), dtype=np.uint16)
    for index, plane in enumerate(voxels):
        content = Dataset()
        content.file_meta = FileMetaDataset()
        content.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        content.SOPClassUID = content.file_meta.MediaStorageSOPClassUID = MRImageStorage
        content.SOPInstanceUID = content.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        content.SeriesInstanceUID, content.PatientName, content.PatientID = "1.2.3", NAME, NAME
        content.Rows, content.Columns = plane.shape
        content.PixelSpacing = [0.8, 0.9]
        content.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        content.ImagePositionPatient = [-5, 6, 3 * index]
        content.SamplesPerPixel, content.PhotometricInterpretation = 1, "MONOCHROME2"
        content.BitsAllocated = content.BitsStored = 16
        content.HighBit, content.PixelRepresentation = 15, 0
        content.PixelData = plane.tobytes()
        content.save_as(folder / f"IM{index:04d}.dcm", enforce_file_format=True)
    return tmp_path / "study"


class TestDicom:
    def test_a_study_is_predicted_in_its_geometry(
        self, tumours: FitResult, study: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (path,) = predict(job(tumours, tmp_path / "p", input=str(study)))
        assert path.name == "case7.nii.gz"
        labels = nib.load(path)
        assert labels.shape == (24, 20, 6)
        np.testing.assert_allclose(
            labels.affine, [[-0.9, 0, 0, 5], [0, -0.8, 0, -6], [0, 0, 3, 0], [0, 0, 0, 1]]
        )
        assert labels.header.get_xyzt_units()[0] == "mm"
        assert set(np.unique(labels.dataobj)) <= {0, 1}
        assert not list((tmp_path / "p").glob("*.png"))
        assert "SECRET" not in caplog.text
        assert all(b"SECRET" not in file.read_bytes() for file in (tmp_path / "p").iterdir())

    def test_a_series_by_itself_is_named_after_its_case(
        self, tumours: FitResult, study: Path, tmp_path: Path
    ) -> None:
        files = {"t1ce": str(study / "case7" / "t1ce")}
        (path,) = predict(job(tumours, tmp_path / "p", files=files))
        assert path.name == "case7.nii.gz"

    def test_missing_slices_leave_no_label_map(self, tumours: FitResult, study: Path, tmp_path: Path) -> None:
        (study / "case7" / "t1ce" / "IM0003.dcm").unlink()
        with pytest.raises(DataError, match="slices are missing"):
            predict(job(tumours, tmp_path / "p", input=str(study)))
        assert not list(tmp_path.glob("p/*"))
