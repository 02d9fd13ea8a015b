"""Pages of single cases: which case, what is said of it, what is refused."""

from __future__ import annotations

import base64
import gzip
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from brats3d.config import EvaluateConfig, FitConfig, PredictConfig, ReportConfig
from brats3d.data.discovery import discover
from brats3d.data.phantom import write_phantoms
from brats3d.errors import Brats3dError, ConfigError, DataError, OutputError, RunError
from brats3d.imaging import read_geometry
from brats3d.report import main
from brats3d.workflows.fit import FitResult, fit
from brats3d.workflows.predict import predict
from brats3d.workflows.report_case import report_case
from brats3d.workflows.reported_cases import shown_case
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.segmentation import SegmentedCase

MakeConfig = Callable[..., FitConfig]
SECRET = "DOE^JOHN 1970-01-01"


def page_of(run: FitResult, case: str, output: Path) -> str:
    (path,) = report_case(ReportConfig(run=str(run.run), case=(case,), output=str(output), accelerator="cpu"))
    return path.read_text(encoding="utf-8")


def embedded(page: str, name: str) -> nib.Nifti1Image:
    found = re.search(f'id="volume-{name}">([^<]+)<', page)
    assert found is not None
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(found[1])))


def voxels_on_page(page: str, name: str) -> int:
    """Last cell of the row of a region, which counts its voxels."""
    found = re.search(rf'<th scope="row"><span[^>]*></span>{name}</th>(.*?)</tr>', page, re.DOTALL)
    assert found is not None
    return int(re.findall(r"<td>([^<]*)</td>", found[1])[-1].replace(",", ""))


@pytest.fixture(scope="module")
def held_out(trained: FitResult) -> str:
    (case_id,) = RunFolder(trained.run).split().test
    return case_id


@pytest.fixture(scope="module")
def page(trained: FitResult, held_out: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_of(trained, held_out, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def label_map(
    trained: FitResult, held_out: str, phantom_set: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What ``predict`` writes for the held-out case, with probabilities beside it."""
    (path,) = predict(
        PredictConfig(
            run=(str(trained.run),),
            input=str(phantom_set / held_out),
            output=str(tmp_path_factory.mktemp("predicted")),
            probabilities=True,
            accelerator="cpu",
        )
    )
    return path


def test_it_shows_what_predict_writes(page: str, trained: FitResult, label_map: Path) -> None:
    convention = RunFolder(trained.run).convention()
    image = nib.as_closest_canonical(nib.load(label_map))
    labels = np.asarray(image.dataobj).astype(np.uint8)
    for name, mask in zip(convention.region_names, convention.to_regions(labels), strict=True):
        assert voxels_on_page(page, name) == mask.sum()
    volume = embedded(page, "prediction")
    voxel = np.array([3, 4, 5, 1])
    place = np.rint(np.linalg.inv(image.affine) @ volume.affine @ voxel).astype(int)
    shape = volume.shape
    start = place[:3] - voxel[:3]
    box = tuple(slice(at, at + size) for at, size in zip(start, shape, strict=True))
    assert np.array_equal(np.asarray(volume.dataobj), convention.to_classes(labels)[box])


def test_it_says_how(page: str, trained: FitResult) -> None:
    for said in ("unet (3-D), run trained", "4 cases, 1 for validation", "t1, t1ce, t2, flair", "ET 0.5"):
        assert said in page
    assert "one of the test cases of the model, which was not trained on it" in page


def test_a_training_case_is_told(trained: FitResult, tmp_path: Path) -> None:
    first = RunFolder(trained.run).split().train[0]
    assert "The model was trained on this very case" in page_of(trained, first, tmp_path)


def test_a_folder_of_a_case_without_a_label_map(
    trained: FitResult, phantom_set: Path, held_out: str, tmp_path: Path
) -> None:
    case = Path(shutil.copytree(phantom_set / held_out, tmp_path / "new" / "BraTS2021_00099"))
    for path in list(case.iterdir()):
        path.rename(case / path.name.replace(held_out, "BraTS2021_00099"))
    (case / "BraTS2021_00099_seg.nii.gz").unlink()
    for path in case.iterdir():
        image = nib.load(path)
        image.header["descrip"], image.header["intent_name"] = SECRET, b"SECRET"
        image.header["aux_file"] = b"SECRET"
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header), path)
    page = page_of(trained, str(case), tmp_path / "pages")
    assert "BraTS2021_00099" in page
    assert "had no part in the training" in page
    assert 'id="agreement"' not in page
    contents = [
        gzip.decompress(base64.b64decode(text)) for text in re.findall(r'plain" id="[^"]+">([^<]+)<', page)
    ]
    assert len(contents) == 3
    for content in (page.encode(), *contents):
        assert SECRET.encode() not in content
        assert b"SECRET" not in content


def test_several_pages(
    trained: FitResult, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brats3d.workflows.report_case.render_case_page", lambda case, **_: case.case_id)
    split = RunFolder(trained.run).split()
    ids = [*split.test, *split.val]
    chosen = ["--case", f"[{', '.join(ids)}]", "--output", str(tmp_path), "--accelerator", "cpu"]
    assert main([str(trained.run), *chosen]) == 0
    pages = [tmp_path / f"case-{name}.html" for name in ids]
    assert capsys.readouterr().out.split() == list(map(str, pages))
    assert [path.read_text() for path in pages] == ids
    assert main([str(trained.run), *chosen]) == 2
    assert "a page of the case already" in capsys.readouterr().err
    assert main([str(trained.run), *chosen, "--overwrite", "true"]) == 0


@pytest.mark.parametrize(
    ("words", "kind", "parts"),
    [
        ({"run": None}, ConfigError, ("nothing to show the case by", "runs/NAME")),
        ({"run": "nowhere"}, RunError, ("not a run",)),
        ({"case": ("BraTS2021_99999",)}, ConfigError, ("not in the data set", "did you mean 'BraTS2021_0")),
        ({"checkpoint": "first"}, RunError, ("best or last",)),
    ],
    ids=["none named", "no run", "unknown case", "unknown checkpoint"],
)
def test_what_cannot_be_shown(
    words: dict[str, object],
    kind: type[Brats3dError],
    parts: tuple[str, ...],
    trained: FitResult,
    held_out: str,
    tmp_path: Path,
) -> None:
    output = tmp_path / "deep" / "pages"
    chosen = {"run": str(trained.run), "case": (held_out,), "output": str(output), "accelerator": "cpu"}
    with pytest.raises(kind) as error:
        report_case(ReportConfig(**{**chosen, **words}))
    for part in parts:
        assert part in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_page_is_not_replaced_unasked(trained: FitResult, held_out: str, tmp_path: Path) -> None:
    page = tmp_path / f"case-{held_out}.html"
    page.write_text("mine")
    with pytest.raises(OutputError, match="a page of the case already"):
        page_of(trained, held_out, tmp_path)
    assert page.read_text() == "mine"


def test_pictures(fit_config: MakeConfig, tmp_path: Path) -> None:
    root = tmp_path / "chests"
    write_phantoms(root, cases=4, layout="chest_xray", size=(48, 40, 32))
    plane = {"model__spatial_dims": 2, "patch__size": [16, 16], "preprocess__crop_to_brain": False}
    chosen = {"data__root": str(root), "data__modalities": ["xray"], "trainer__max_epochs": 1}
    result = fit(fit_config(tmp_path, "lungs", **plane, **chosen))
    (case_id,) = RunFolder(result.run).split().test
    page = page_of(result, case_id, tmp_path / "pages")
    assert "niivue" not in page
    assert ">pixels<" in page
    for said in ("tumour", "Lesion", "voxel", " ml<"):
        assert said not in page.partition("<body>")[2], said


class TestLabelMaps:
    """Label maps of any tool, with references, with images alone, and by themselves."""

    @pytest.fixture
    def show(self, label_map: Path, held_out: str, tmp_path: Path) -> Callable[..., str]:
        def show(**words: object) -> str:
            chosen = {
                "predictions": str(label_map.parent),
                "case": (held_out,),
                "output": str(tmp_path / "p"),
            }
            (path,) = report_case(ReportConfig(**{**chosen, **words}))
            return path.read_text(encoding="utf-8")

        return show

    def test_with_references(self, show: Callable[..., str], phantom_set: Path, page: str) -> None:
        shown = show(references=str(phantom_set))
        assert 'id="agreement"' in shown
        for name in ("ET", "TC", "WT"):
            assert voxels_on_page(shown, name) == voxels_on_page(page, name)
        for name in ("prediction", "reference", "flair"):
            ours, theirs = embedded(shown, name), embedded(page, name)
            assert np.array_equal(np.asarray(ours.dataobj), np.asarray(theirs.dataobj))
        assert 'id="probabilities"' in shown
        assert "not known by which thresholds" in shown

    def test_thresholds_are_those_of_a_run_that_is_named(
        self, show: Callable[..., str], trained: FitResult
    ) -> None:
        shown = show(run=str(trained.run), scoring=EvaluateConfig(prediction_convention="brats2017"))
        assert "not known by which thresholds" not in shown
        assert "unet (3-D), run trained" in shown

    def test_with_images_alone(
        self, show: Callable[..., str], phantom_set: Path, held_out: str, tmp_path: Path
    ) -> None:
        case = Path(shutil.copytree(phantom_set / held_out, tmp_path / "images" / held_out))
        (case / f"{held_out}_seg.nii.gz").unlink()
        shown = show(references=str(case.parent))
        assert 'id="agreement"' not in shown
        assert "There is no reference for the case." in shown
        assert embedded(shown, "flair").shape == embedded(shown, "prediction").shape

    def test_by_themselves(
        self, show: Callable[..., str], label_map: Path, page: str, tmp_path: Path
    ) -> None:
        (alone := tmp_path / "alone").mkdir()
        shutil.copy(label_map, alone)
        with pytest.raises(ConfigError, match="nothing tells what the label values mean"):
            show(predictions=str(alone))
        said = EvaluateConfig(prediction_convention="brats2017")
        shown = show(predictions=str(alone), scoring=said)
        assert voxels_on_page(shown, "WT") == voxels_on_page(page, "WT")
        assert 'id="probabilities"' not in shown
        assert embedded(shown, "no-image").shape == embedded(shown, "prediction").shape

    def test_a_case_without_a_label_map(self, show: Callable[..., str], phantom_set: Path) -> None:
        with pytest.raises(ConfigError, match="no label map of the case among the predictions"):
            show(references=str(phantom_set), case=("BraTS2021_12345",))


def test_a_label_map_on_another_grid(phantom_set: Path, held_out: str, tmp_path: Path) -> None:
    case_folder = Path(shutil.copytree(phantom_set / held_out, tmp_path / held_out))
    path = case_folder / f"{held_out}_seg.nii.gz"
    image = nib.load(path)
    moved = image.affine.copy()
    moved[0, 3] += 5
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), moved), path)
    (case,) = discover(case_folder).cases
    grid = read_geometry(case.images["t1"])
    nothing = np.zeros((3, *grid.shape), dtype=np.float32)
    result = SegmentedCase(held_out, nothing[0].astype(np.uint8), nothing, grid)
    words = {"values": case.convention, "trained": case.convention}
    with pytest.raises(DataError, match="another grid"):
        shown_case(case, result, ("t1",), **words)
    shown = shown_case(case, result, ("t1",), trust_arrays=True, **words)
    assert shown.reference is not None
    assert shown.reference.any()
