"""The web page in a real browser, before the server that ``brats3d app`` starts."""

from __future__ import annotations

import gzip
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from chromium import NEEDED
from made_up_cases import images_of, write_series
from numpy.typing import NDArray
from PIL import Image
from viewer_page import ARROW_DOWN, ARROW_UP, ViewerPage, differ

from brats3d.cases import MODALITIES
from brats3d.config import PredictConfig
from brats3d.data.phantom import make_phantom
from brats3d.labels import CONVENTIONS
from brats3d.metrics import evaluate_case
from brats3d.workflows.predict import predict

pytestmark = NEEDED

CONVENTION = CONVENTIONS["brats2017"]
# Where nothing was trained, the names of the files tell the values of the labels.
UNTRAINED = {"classical": "fuzzy_kmeans.yaml", "convention": "brats2017"}
VOLUMES, PICTURES, BUNDLE, FUZZY = "volumes", "pictures", "brats3d_phantoms", "fuzzy_kmeans"

Predicted = Callable[..., nib.Nifti1Image]


def regions_of(labels: nib.Nifti1Image) -> dict[str, NDArray[np.bool_]]:
    """Region to mask."""
    masks = CONVENTION.to_regions(np.asarray(labels.dataobj).astype(np.uint8))
    return dict(zip(CONVENTION.region_names, masks, strict=True))


def check_volumes(page: ViewerPage, labels: nib.Nifti1Image) -> dict[str, int]:
    """Check that the page shows the voxels of a label map and the volumes that follow; return the voxels."""
    voxel_ml = abs(np.linalg.det(labels.affine[:3, :3])) / 1000
    voxels = {region: int(mask.sum()) for region, mask in regions_of(labels).items()}
    assert page.voxels() == voxels
    assert page.volumes() == pytest.approx({r: n * voxel_ml for r, n in voxels.items()}, abs=0.051)
    return voxels


def check_same_file(downloaded: Path, expected: nib.Nifti1Image) -> None:
    """Check that a label map was downloaded that is another one voxel by voxel, on the same grid."""
    labels = nib.load(downloaded)
    np.testing.assert_array_equal(np.asarray(labels.dataobj), np.asarray(expected.dataobj))
    np.testing.assert_array_equal(labels.affine, expected.affine)
    assert labels.get_data_dtype() == expected.get_data_dtype()


@pytest.fixture
def predicted(tmp_path: Path) -> Predicted:
    """Label maps as ``brats3d predict`` writes them."""

    def write(files: Mapping[str, Path], **model: object) -> nib.Nifti1Image:
        output = tmp_path / f"predicted-{len(list(tmp_path.iterdir()))}"
        named = {modality: str(path) for modality, path in files.items()}
        chosen = {"files": named, "output": str(output), "accelerator": "cpu", **model}
        [path] = predict(PredictConfig(**chosen))
        return nib.load(path)

    return write


class TestACase:
    def test_four_files_are_segmented_as_predict_does(
        self, page: ViewerPage, with_tumour: Path, volume_run: Path, predicted: Predicted
    ) -> None:
        expected = predicted(images_of(with_tumour), run=(str(volume_run),))
        page.drop(*images_of(with_tumour).values())
        before = page.canvas()
        page.segment(VOLUMES)
        voxels = check_volumes(page, expected)
        assert min(voxels.values()) > 0
        page.changed_canvas(before)
        check_same_file(page.download("labels", ".nii.gz"), expected)

    def test_a_moved_threshold_moves_volumes_overlay_and_label_map(
        self, page: ViewerPage, with_tumour: Path, volume_run: Path, predicted: Predicted, tmp_path: Path
    ) -> None:
        moved = shutil.copytree(volume_run, tmp_path / "moved")
        config = yaml.safe_load((moved / "config.yaml").read_text())
        config["postprocess"]["thresholds"] = {"WT": 0.1}
        (moved / "config.yaml").write_text(yaml.safe_dump(config))
        expected = predicted(images_of(with_tumour), run=(str(moved),))

        page.drop(*images_of(with_tumour).values())
        page.segment(VOLUMES)
        first_voxels, first_canvas = page.voxels(), page.canvas()
        page.slide("#threshold-WT", 0.1)
        check_volumes(page, expected)
        assert page.voxels()["WT"] > first_voxels["WT"]
        page.changed_canvas(first_canvas)
        check_same_file(page.download("labels", ".nii.gz"), expected)

        page.browser.find("#reset-thresholds").click()
        page.browser.wait(lambda: page.voxels() == first_voxels, "the volumes are as before")

    def test_a_reference_is_scored_and_shown_beside_the_result(
        self, page: ViewerPage, with_tumour: Path, volume_run: Path, predicted: Predicted
    ) -> None:
        ours = regions_of(predicted(images_of(with_tumour), run=(str(volume_run),)))
        reference = nib.load(with_tumour / f"{with_tumour.name}_seg.nii.gz")
        scored = evaluate_case(
            np.stack(list(ours.values())),
            np.stack(list(regions_of(reference).values())),
            spacing_mm=reference.header.get_zooms(),
            regions=list(ours),
            case_id="case",
        )
        page.drop(*images_of(with_tumour).values())
        page.drop_in_addition(with_tumour / f"{with_tumour.name}_seg.nii.gz")
        page.segment(VOLUMES)
        assert page.scores("dice") == pytest.approx(
            {row.region: row["dice"] for row in scored.rows}, abs=6e-4
        )
        assert page.scores("hd95") == pytest.approx(
            {row.region: row["hd95_mm"] for row in scored.rows}, abs=0.051
        )

        page.browser.find("#side-toggle").click()
        page.wait_for("done")
        panes = page.browser.all(".pane[data-drawn=true]")
        shown = [pane.get_dom_attribute("data-overlay") for pane in panes if pane.is_displayed()]
        assert shown[:2] == ["", "reference"]
        assert len(shown) == 3
        original, expected, found = (page.canvas(number) for number in range(3))
        assert differ(original, expected)
        assert differ(expected, found)
        assert differ(original, found)

    def test_no_tumour_is_said_loudly(
        self, page: ViewerPage, without_tumour: Path, volume_run: Path, predicted: Predicted
    ) -> None:
        assert not np.asarray(predicted(images_of(without_tumour), run=(str(volume_run),)).dataobj).any()
        page.pick(*images_of(without_tumour).values())
        assert not page.browser.all("#no-tumour")
        page.segment(VOLUMES)
        alert = page.browser.find("#no-tumour")
        assert alert.is_displayed()
        assert alert.get_dom_attribute("role") == "alert"
        assert "no tumour" in alert.text.lower()
        assert set(page.voxels().values()) == {0}

    def test_files_whose_names_say_nothing_are_assigned_by_hand(
        self, page: ViewerPage, with_tumour: Path, volume_run: Path, predicted: Predicted, tmp_path: Path
    ) -> None:
        paths = []
        for letter, path in zip("abcd", images_of(with_tumour).values(), strict=True):
            paths.append(shutil.copy(path, tmp_path / f"{letter}.nii.gz"))
        page.browser.drop("#viewer", paths)
        page.wait_for("ready")
        for letter, modality in zip("abcd", MODALITIES, strict=True):
            page.assign(modality, f"{letter}.nii.gz")
        page.segment(VOLUMES)
        check_volumes(page, predicted(images_of(with_tumour), run=(str(volume_run),)))

    def test_a_zip_of_dicom_series_is_a_case(
        self, page: ViewerPage, with_tumour: Path, volume_run: Path, predicted: Predicted, tmp_path: Path
    ) -> None:
        series = write_series(tmp_path / "study", images_of(with_tumour))
        archive = Path(shutil.make_archive(str(tmp_path / "study"), "zip", tmp_path / "study"))
        page.drop(archive)
        page.segment(VOLUMES)
        expected = predicted(series, run=(str(volume_run),))
        check_volumes(page, expected)
        check_same_file(page.download("labels", ".nii.gz"), expected)
        assert "SECRET" not in page.browser.run("return document.documentElement.outerHTML")

    def test_its_report_opens_from_disk(self, page: ViewerPage, with_tumour: Path) -> None:
        page.drop(*images_of(with_tumour).values())
        page.segment(VOLUMES)
        voxels = page.voxels()
        report = page.download("report", ".html")
        assert page.elsewhere() == []
        page.browser.open(report)
        page.browser.wait(lambda: page.browser.all("#view-canvas[data-ready=yes]"), "the volumes are drawn")
        assert f"{voxels['WT']:,}" in page.browser.find("#volumes").text
        assert page.browser.requests() == [report.as_uri()]

    def test_models_are_compared_on_the_same_case(
        self, page: ViewerPage, with_tumour: Path, volume_run: Path, predicted: Predicted
    ) -> None:
        network = predicted(images_of(with_tumour), run=(str(volume_run),))
        clusters = predicted(images_of(with_tumour), **UNTRAINED)
        page.drop(*images_of(with_tumour).values())
        page.segment(VOLUMES)
        first = page.canvas()
        page.segment(FUZZY)
        check_volumes(page, clusters)
        page.changed_canvas(first)
        assert len(page.browser.all("#comparison-table tbody tr")) == 2
        assert len(page.browser.all("#result-select option")) == 2
        page.browser.find("#result-select option:not(:checked)").click()
        page.wait_for("done")
        check_volumes(page, network)

    @pytest.mark.real
    def test_a_real_case_is_segmented_as_predict_does(
        self, page: ViewerPage, real_data: Path, predicted: Predicted
    ) -> None:
        case = real_data / "brats2021" / "BraTS2021_00006"
        expected = predicted(images_of(case), **UNTRAINED)
        page.drop(*images_of(case).values())
        before = page.canvas()
        page.segment(FUZZY)
        voxels = check_volumes(page, expected)
        assert min(voxels.values()) > 0
        page.changed_canvas(before)
        check_same_file(page.download("labels", ".nii.gz"), expected)


def test_a_picture_is_segmented_in_pixels(
    page: ViewerPage, picture_run: Path, predicted: Predicted, tmp_path: Path
) -> None:
    made = make_phantom(1000, (64, 64, 64))
    index = int((made.labels > 0).sum(axis=(0, 1)).argmax())
    pixels = made.images["t1ce"][:, :, index].T
    path = tmp_path / "picture_t1ce.png"
    Image.fromarray(np.uint8(255 * pixels / pixels.max())).save(path)
    expected = predicted({"t1ce": path}, run=(str(picture_run),))
    mask = np.asarray(expected.dataobj)[..., 0] > 0
    assert mask.any()

    page.drop(path)
    assert page.browser.run("return document.body.dataset.dimensions") == "2"
    before = page.canvas()
    page.segment(PICTURES)
    assert list(page.voxels().values()) == [int(mask.sum())]
    page.changed_canvas(before)
    downloaded = np.asarray(Image.open(page.download("mask", ".png")))
    np.testing.assert_array_equal(downloaded > 0, mask.T)


class TestBadFiles:
    @pytest.fixture
    def truncated(self, with_tumour: Path, tmp_path: Path) -> Path:
        path = tmp_path / "someone_flair.nii.gz"
        path.write_bytes((with_tumour / f"{with_tumour.name}_flair.nii.gz").read_bytes()[:-500])
        return path

    @pytest.fixture
    def text(self, tmp_path: Path) -> Path:
        path = tmp_path / "someone_t1.nii.gz"
        path.write_bytes(gzip.compress(b"this is no image\n" * 100))
        return path

    @pytest.fixture
    def leaving(self, tmp_path: Path) -> Path:
        path = tmp_path / "case.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("../../outside_t1.nii.gz", b"x" * 1000)
        return path

    @pytest.mark.parametrize("kind", ["truncated", "text", "leaving"])
    def test_they_are_refused_and_the_page_lives_on(
        self, page: ViewerPage, kind: str, with_tumour: Path, request: pytest.FixtureRequest
    ) -> None:
        path: Path = request.getfixturevalue(kind)
        said = page.drop_in_vain(path)
        assert path.name in said or "outside_t1.nii.gz" in said
        assert not re.search(r"Traceback|/tmp/|\bundefined\b", said)
        page.browser.expect("the server responded with a status of 4")
        page.drop(*images_of(with_tumour).values())
        page.segment(VOLUMES)
        assert page.voxels()["WT"] > 0


class TestTheViews:
    @pytest.fixture
    def done(self, page: ViewerPage, with_tumour: Path) -> ViewerPage:
        page.drop(*images_of(with_tumour).values())
        page.segment(VOLUMES)
        return page

    def test_keys_change_planes_slices_and_overlay(self, done: ViewerPage) -> None:
        seen = [done.canvas()]
        for key, plane in zip("1235", ("axial", "coronal", "sagittal", "3d"), strict=True):
            done.press(key)
            assert done.browser.find(f"#view-{plane}").get_attribute("aria-pressed") == "true"
            seen.append(done.changed_canvas(*seen))
        done.press("1")
        picture = done.changed_canvas(seen[-1])
        place = done.browser.find("#slice-text").text
        done.press(ARROW_UP)
        assert done.browser.find("#slice-text").text != place
        done.changed_canvas(picture)
        done.press(ARROW_DOWN)
        assert done.browser.find("#slice-text").text == place
        done.restored_canvas(picture)
        done.press("o")
        assert done.browser.find("#overlay-toggle").get_attribute("aria-pressed") == "false"
        done.changed_canvas(picture)
        done.press("o")
        done.restored_canvas(picture)

    def test_fingers_move_the_crosshair_and_the_slice(self, done: ViewerPage) -> None:
        browser = done.browser
        browser.look(820, 1180, touch=True)
        done.press("1")
        browser.wait(lambda: browser.find("#view-axial").get_attribute("aria-pressed") == "true", "axial")
        crosshair, number = (browser.find(place) for place in ("#location", "#slice-text"))
        former, slice_number = crosshair.text, number.text

        def touched(*steps: Sequence[tuple[float, float]]) -> tuple[str, str]:
            browser.touch("#canvas-0", *steps)
            return crosshair.text, number.text

        browser.wait(lambda: touched([(0.4, 0.4)])[0] != former, "the crosshair is at the finger")
        assert number.text == slice_number
        # A busy browser passes over some steps of a movement.
        apart = [[(0.45 - step, 0.5), (0.55 + step, 0.5)] for step in (0.0, 0.1, 0.2)]
        browser.wait(lambda: touched(*apart)[1] != slice_number, "two fingers go through the slices")

    def test_each_tissue_can_be_faded_and_hidden(self, done: ViewerPage) -> None:
        full = done.canvas()
        done.slide("#opacity-ET", 0.1)
        faded = done.changed_canvas(full)
        done.browser.find("#visible-ET").click()
        done.changed_canvas(full, faded)


class TestAnyone:
    def test_axe_finds_no_barrier(self, page: ViewerPage, with_tumour: Path, without_tumour: Path) -> None:
        browser = page.browser
        assert browser.barriers_in_both_schemes() == []
        page.press("?")
        assert browser.find("#help-dialog").is_displayed()
        assert browser.barriers_in_both_schemes() == []
        browser.find("#help-close").click()
        page.drop(with_tumour)
        page.segment(VOLUMES)
        page.segment(FUZZY)
        page.press("s")
        page.wait_for("done")
        assert browser.barriers_in_both_schemes() == []
        browser.find("#new-case").click()
        page.wait_for("empty")
        page.drop(*images_of(without_tumour).values())
        page.segment(VOLUMES)
        assert browser.find("#no-tumour").is_displayed()
        assert browser.barriers_in_both_schemes() == []

    def test_everything_can_be_reached_on_a_tablet(self, page: ViewerPage, with_tumour: Path) -> None:
        check_reach(page)
        page.drop(with_tumour)
        check_reach(page)
        page.segment(VOLUMES)
        check_reach(page)
        page.browser.find("#side-toggle").click()
        page.wait_for("done")
        check_reach(page)


def check_reach(page: ViewerPage) -> None:
    """Check that all controls can be used on a tablet, held in either way, and on a small screen."""
    for width, height, touch in ((820, 1180, True), (1180, 820, True), (1280, 800, False)):
        page.browser.look(width, height, touch=touch)
        assert page.out_of_reach() == [], (width, height)


class TestOtherPages:
    def test_axe_finds_no_barrier_in_the_description_of_the_interface(self, page: ViewerPage) -> None:
        page.browser.open(f"{page.address}/api")
        assert "/api/segment" in page.browser.run("return document.body.innerText")
        assert page.browser.barriers_in_both_schemes() == []
