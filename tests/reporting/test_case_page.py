"""The page of a case: its numbers are those of the arrays, and it is whole in itself."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from brats3d.errors import ConfigError
from brats3d.metrics import evaluate_case
from brats3d.reporting import LabelledCase, ReportedCase
from brats3d.reporting.case_page import render_case_page
from brats3d.reporting.case_view import script_text
from brats3d.reporting.embedded_volume import embedded_box
from brats3d.reporting.found_lesions import find_lesions
from brats3d.reporting.palette import tissue_colours
from brats3d.reporting.volumes import bracket, region_volumes

VOID = {"meta", "link", "input", "br", "img", "hr"}


class Page(HTMLParser):
    """What a page says, element by element; fails where elements are not closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str]]] = []
        self.scripts: dict[str, str] = {}
        self.programs: list[str] = []
        self.styles = ""
        self.tables: dict[str, list[list[str]]] = {}
        self.words: dict[str, str] = {}
        self._ids: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        known = {name: value or "" for name, value in attrs}
        self.attributes.append((tag, known))
        if tag in VOID:
            return
        self.open.append(tag)
        self._ids.append(known.get("id", ""))
        if tag == "script":
            self._kind = known.get("type", "")
        if tag == "table":
            self._rows = self.tables.setdefault(self._section(), [])
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.attributes.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self._ids.pop()

    def handle_data(self, data):
        if not self.open:
            return
        if self.open[-1] == "script":
            if self._kind:
                self.scripts[self._ids[-1]] = self.scripts.get(self._ids[-1], "") + data
            else:
                self.programs.append(data)
        elif self.open[-1] == "style":
            self.styles += data
        else:
            section = self._section()
            self.words[section] = self.words.get(section, "") + data
            if "td" in self.open or "th" in self.open:
                self._rows[-1][-1] += data.strip()

    def _section(self) -> str:
        return next(
            (name for name, tag in zip(self._ids[::-1], self.open[::-1], strict=True) if tag == "section"), ""
        )

    def row(self, section: str, name: str) -> dict[str, str]:
        """Cells of the first row of that name, by the titles of their columns."""
        rows = self.tables[section]
        place = next(place for place, row in enumerate(rows) if row[0] == name)
        header = next(row for row in rows[place::-1] if row[0] in ("Region", "Tissue", "Lesion", "Part"))
        return dict(zip(header, rows[place], strict=True))


def embedded(page: Page, name: str) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(page.scripts[f"volume-{name}"])))


@pytest.fixture(scope="module")
def placed(case: LabelledCase) -> LabelledCase:
    """The case, at a place of its own and turned a little."""
    turn = np.array([[0.9, 0.1, 0.0], [-0.1, 0.95, 0.1], [0.0, -0.1, 2.9]])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn, (-80, -110, -60)
    return dataclasses.replace(case, affine=affine, spacing_mm=tuple(np.linalg.norm(turn, axis=0).tolist()))


@pytest.fixture(scope="module")
def text(placed: LabelledCase) -> str:
    return render_case_page(placed, model="a model", notes=["One note."], settings={"Checkpoint": "best"})


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def shown(case: ReportedCase, **words: object) -> Page:
    """The page without the 3-D view, which is the larger part of it."""
    return Page(render_case_page(case, model="a model", **{"volumes": (), **words}))


def without_reference(case: LabelledCase) -> ReportedCase:
    content = {field.name: getattr(case, field.name) for field in dataclasses.fields(case)}
    return ReportedCase(**{**content, "reference": None})


class TestWholeInItself:
    def test_nothing_is_asked_for(self, page: Page) -> None:
        for tag, attributes in page.attributes:
            for name in ("src", "href", "xlink:href", "action", "srcset", "poster"):
                value = attributes.get(name, "")
                assert not value or value.startswith(("data:", "#")), (tag, value[:80])
            assert "url(" not in attributes.get("style", "")
            assert not [name for name in attributes if name.startswith("on")]
        assert "url(" not in page.styles
        assert "@import" not in page.styles

    def test_the_policy_lets_these_programs_run_and_no_others(self, page: Page) -> None:
        (policy,) = [
            attributes["content"]
            for _, attributes in page.attributes
            if attributes.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policy.startswith("default-src 'none'; ")
        assert len(page.programs) == 2
        for program in page.programs:
            digest = base64.b64encode(hashlib.sha256(program.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy
        assert "'unsafe-inline'" not in policy.replace("style-src 'unsafe-inline'", "")

    def test_size(self, text: str, page: Page) -> None:
        volumes = sum(len(page.scripts[name]) for name in page.scripts if name.startswith("volume-"))
        assert len(text.encode()) - volumes < 5e6
        assert volumes > 0

    def test_names_are_text(self, case: LabelledCase) -> None:
        name = "<img src=x onerror=alert(1)>\"'&"
        page = shown(
            dataclasses.replace(case, case_id=name), notes=["<b>bold</b>"], settings={"<i>": "</dd>"}
        )
        assert not [tag for tag, _ in page.attributes if tag in ("img", "b", "i")]
        assert name in page.words[""]
        assert "<b>bold</b>" in page.words["method"]

    def test_the_same_again(self, placed: LabelledCase, text: str) -> None:
        again = render_case_page(
            placed, model="a model", notes=["One note."], settings={"Checkpoint": "best"}
        )
        assert again == text

    def test_it_says_what_it_is_not_for(self, page: Page) -> None:
        assert "Not for clinical use" in page.words[""]


class TestVolumes:
    def test_regions(self, placed: LabelledCase, page: Page) -> None:
        voxel_ml = abs(np.linalg.det(placed.affine[:3, :3])) / 1000
        for number, name in enumerate(placed.convention.region_names):
            row = page.row("volumes", name)
            found, wanted = (int(placed.region(name, predicted=p).sum()) for p in (True, False))
            likely = placed.probabilities[number]
            assert row == {
                "Region": name,
                "ml": f"{found * voxel_ml:.2f}",
                "lower": f"{(likely > 0.75).sum() * voxel_ml:.2f}",
                "upper": f"{(likely > 0.25).sum() * voxel_ml:.2f}",
                "expected": f"{likely.sum(dtype=float) * voxel_ml:.2f}",
                "highest probability": f"{likely.max():.2f}",
                "reference": f"{wanted * voxel_ml:.2f}",
                "difference": "0.00",
                "voxels": f"{found}",
            }

    def test_tissues(self, placed: LabelledCase, page: Page) -> None:
        for number, name in enumerate(placed.convention.class_names[1:-1], start=1):
            assert page.row("volumes", name)["voxels"] == f"{(placed.prediction == number).sum()}"

    def test_thresholds_move_what_brackets_them(self, placed: LabelledCase) -> None:
        graded = np.linspace(0, 1, placed.probabilities.size, dtype=np.float32)
        case = dataclasses.replace(placed, probabilities=graded.reshape(placed.probabilities.shape))
        at = bracket(0.4)
        wt = region_volumes(case, {"WT": 0.4})[2].certainty
        assert wt.at == at == (pytest.approx(2 / 11), pytest.approx(2 / 3))
        voxel_ml = abs(np.linalg.det(placed.affine[:3, :3])) / 1000
        assert wt.largest == pytest.approx((case.probabilities[2] > at[0]).sum() * voxel_ml)
        assert wt.smallest == pytest.approx((case.probabilities[2] > at[1]).sum() * voxel_ml)
        note = shown(case, thresholds={"WT": 0.4}).words["volumes"]
        assert "ET: 0.75 and 0.25 around 0.50" in note
        assert "WT: 0.67 and 0.18 around 0.40" in note

    def test_half_lies_between_a_quarter_and_three(self) -> None:
        assert bracket(0.5) == (0.25, 0.75)

    def test_without_probabilities_there_are_sizes_alone(self, case: LabelledCase) -> None:
        page = shown(dataclasses.replace(case, probabilities=None))
        assert set(page.row("volumes", "WT")) == {"Region", "ml", "reference", "difference", "voxels"}
        assert "probabilities" not in page.words
        assert "mean probability" not in page.row("lesions", "1")


class TestAgreement:
    def test_scores(self, placed: LabelledCase, page: Page) -> None:
        regions = placed.convention.region_names
        found, wanted = (np.stack([placed.region(n, predicted=p) for n in regions]) for p in (True, False))
        scores = evaluate_case(
            found, wanted, spacing_mm=placed.spacing_mm, regions=regions, case_id="someone"
        )
        for score in scores.rows:
            row = page.row("agreement", score.region)
            assert row["Dice"] == f"{score['dice']:.3f}"
            assert row["HD95, mm"] == f"{score['hd95_mm']:.2f}"

    def test_without_a_reference_nothing_is_compared(self, case: LabelledCase) -> None:
        page = shown(without_reference(case))
        assert "agreement" not in page.words
        assert "reference" not in page.row("volumes", "WT")
        assert not {"reference", "disagreement"} & set(page.words["planes"].split())

    def test_a_region_that_one_of_them_lacks_is_told(self, case: LabelledCase) -> None:
        no_et = np.where(case.prediction == 3, 1, case.prediction).astype(np.uint8)
        page = shown(dataclasses.replace(case, prediction=no_et))
        assert "have no ET:" in page.words["agreement"]


class TestNoTumour:
    def test_alert(self, case: LabelledCase) -> None:
        nothing = np.zeros_like(case.prediction)
        empty = dataclasses.replace(case, prediction=nothing, probabilities=case.probabilities / 2)
        alert = shown(empty, alert="Because.").words["alert"]
        assert "No tumour found" in alert
        assert "The highest probability anywhere is 0.45." in alert
        assert "the model has missed it" in alert
        assert "Because." in alert
        healthy = shown(dataclasses.replace(empty, reference=nothing))
        assert "missed" not in healthy.words["alert"]
        assert "Through the middle of the brain" in healthy.words["planes"]
        assert "No lesion." in healthy.words["lesions"]

    def test_there_is_none_where_tumour_is(self, page: Page) -> None:
        assert "alert" not in page.words


class TestLesions:
    @pytest.fixture
    def scattered(self, case: LabelledCase) -> LabelledCase:
        prediction = case.prediction.copy()
        prediction[18:20, 4:6, 2] = 2
        prediction[20, 15, 9] = 1
        return dataclasses.replace(case, prediction=prediction)

    def test_the_largest_comes_first(self, scattered: LabelledCase) -> None:
        found = find_lesions(scattered)
        assert [lesion.total for lesion in found.listed] == [8 * 8 * 6, 4, 1]
        assert [lesion.voxels["TC"] for lesion in found.listed] == [4 * 4 * 4, 0, 1]
        assert found.listed[0].probability == pytest.approx(0.9)
        # The corners of boxes, as the faces of their outermost voxels have them.
        assert found.listed[2].diameter == 3.0
        few = find_lesions(scattered, most=1)
        assert (few.count, few.unlisted_voxels) == (3, 5)

    def test_on_the_page(self, scattered: LabelledCase) -> None:
        page = shown(scattered)
        assert "3 lesions" in page.words["lesions"]
        assert page.row("lesions", "2")["all tissues, ml"] == f"{4 * 3 / 1000:.2f}"
        _, count = ndimage.label(scattered.prediction > 0, structure=np.ones((3, 3, 3)))
        assert len(page.tables["lesions"]) == 1 + count


class TestPictures:
    def test_outlines_surround_the_region(self, case: LabelledCase) -> None:
        page = shown(without_reference(case))
        drawn = [attributes for tag, attributes in page.attributes if tag in ("svg", "path")]
        place = next(i for i, a in enumerate(drawn) if a.get("aria-label", "").startswith("prediction"))
        assert drawn[place]["aria-label"] == "prediction outlined on T1ce, axial slice 5"
        box, mask = case.box, case.prediction[..., 5] > 0
        points = np.array(re.findall(r"([\d.]+) ([\d.]+)", drawn[place + 1]["d"]), dtype=float)
        width = (box[0].stop - box[0].start) * case.spacing_mm[0]
        inside = np.flatnonzero(mask.any(axis=1)) - box[0].start
        # The patient's right, where x is largest, is on the left of the picture.
        assert points[:, 0].min() == pytest.approx(width - (inside.max() + 1), abs=0.51)
        assert points[:, 0].max() == pytest.approx(width - inside.min(), abs=0.51)

    def test_a_picture_has_pixels_and_one_plane(self, case: LabelledCase) -> None:
        flat = dataclasses.replace(
            case,
            images={"xray": case.images["flair"][..., 5:6]},
            reference=case.reference[..., 5:6],
            prediction=case.prediction[..., 5:6],
            probabilities=case.probabilities[..., 5:6],
            has_orientation=False,
        )
        page = shown(flat, volumes=None)
        assert not page.programs
        assert "view" not in page.words
        assert page.row("volumes", "WT")["pixels"] == "64"
        assert " ml" not in page.words[""] + page.words["volumes"]
        assert "largest diameter, pixels" in page.row("lesions", "1")
        assert [tag for tag, _ in page.attributes].count("svg") == 4 + 3
        assert not [tag for tag, _ in page.attributes if tag == "text"]

    def test_large_pictures_are_no_larger_than_they_are_shown(self, case: LabelledCase) -> None:
        image = np.random.default_rng(0).uniform(0, 1, (1500, 1200, 1)).astype(np.float32)
        tumour = np.zeros(image.shape, dtype=np.uint8)
        tumour[400:700, 300:900] = 2
        large = ReportedCase(
            "large", {"xray": image}, None, tumour, None, case.convention, (1.0, 1.0, 1.0), False
        )
        page = shown(large)
        sizes = {
            Image.open(io.BytesIO(base64.b64decode(attributes["href"].partition(",")[2]))).size
            for tag, attributes in page.attributes
            if tag == "image"
        }
        assert sizes == {(900, 720)}
        assert page.row("volumes", "WT")["pixels"] == "180,000"


class TestView:
    def test_labels_are_whole(self, placed: LabelledCase, page: Page) -> None:
        box = embedded_box(placed)
        for name, classes in (("prediction", placed.prediction), ("reference", placed.reference)):
            volume = embedded(page, name)
            assert volume.get_data_dtype() == np.uint8
            assert np.array_equal(np.asarray(volume.dataobj), classes[box])
            assert classes[box].sum() == classes.sum()
            start = [span.start for span in box]
            for voxel in ((0, 0, 0), (3, 5, 2)):
                expected = placed.affine @ [*np.add(start, voxel), 1]
                assert volume.affine @ [*voxel, 1] == pytest.approx(expected, abs=1e-4)

    def test_images_keep_their_order_of_grey(self, placed: LabelledCase, page: Page) -> None:
        volume = np.asarray(embedded(page, "t1ce").dataobj)
        image = placed.images["t1ce"][embedded_box(placed)]
        assert (volume.min(), volume.max()) == (0, 255)
        order = np.argsort(image, axis=None, kind="stable")
        assert (np.diff(volume.ravel()[order].astype(int)) >= 0).all()

    def test_files_hold_a_grid_and_voxels_alone(self, page: Page) -> None:
        for name in ("t1ce", "flair", "prediction", "reference"):
            header = embedded(page, name).header
            assert not header["descrip"].item()
            assert not header["intent_name"].item()
            assert not header.extensions

    def test_colours_follow_the_class_indices(self, placed: LabelledCase, page: Page) -> None:
        setup = json.loads(page.scripts["view-setup"])
        names = placed.convention.class_names[1:]
        assert setup["tissues"] == [[name, tissue_colours(names)[name]] for name in names]
        assert (setup["images"], setup["labels"]) == (["t1ce", "flair"], ["prediction", "reference"])
        centre = np.linalg.inv(placed.affine) @ [*setup["centre_mm"], 1]
        assert placed.region("TC", predicted=True)[tuple(np.rint(centre[:3]).astype(int))]

    def test_an_image_that_is_not_there(self, case: LabelledCase) -> None:
        with pytest.raises(ConfigError, match="did you mean 't1ce'"):
            render_case_page(case, model="a model", volumes=("t1c",))

    def test_a_program_cannot_end_its_element(self, tmp_path: Path) -> None:
        program = tmp_path / "program.js"
        program.write_text('const end = "</SCRIPT><!--";', encoding="utf-8")
        assert script_text(program) == r'const end = "\x3C/SCRIPT>\x3C!--";'
