"""Pages that are files, opened from disk in a real browser: all they need is in them."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from chromium import NEEDED, Browser
from made_up_cases import train_classifier_hardly, train_hardly
from viewer_page import differ

from brats3d import reporting
from brats3d.config import ReportConfig
from brats3d.workflows.report import report
from brats3d.workflows.report_case import report_case

pytestmark = NEEDED

NIIVUE = Path(reporting.__file__).parent / "niivue" / "niivue.umd.js"

_BALL = """<!doctype html><html lang="en"><title>A ball</title><body><canvas id="view"></canvas>
<script>{niivue}</script>
<script>
const size = 16, voxels = new Uint8Array(size ** 3);
for (let x = 0; x < size; x++) for (let y = 0; y < size; y++) for (let z = 0; z < size; z++)
  voxels[x + size * (y + size * z)] = Math.hypot(x - 8, y - 8, z - 8) < 6 ? 200 : 0;
const viewer = new niivue.Niivue({{isResizeCanvas: false}});
viewer.attachTo("view").then(async () => {{
  const file = niivue.NVImage.createNiftiArray([size, size, size], [1, 1, 1],
    [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], 2, voxels);
  viewer.addVolume(await niivue.NVImage.loadFromUrl({{url: new Uint8Array(file).buffer, name: "ball.nii"}}));
  document.body.dataset.ready = "yes";
}});
</script></body></html>
"""


def test_niivue_draws_here_without_a_network(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "ball.html"
    page.write_text(_BALL.format(niivue=NIIVUE.read_text(encoding="utf-8")), encoding="utf-8")
    browser.open(page)
    browser.wait(lambda: browser.run("return document.body.dataset.ready"), "the volume is loaded")
    assert len(np.unique(browser.picture("#view"))) > 1
    assert browser.requests() == [page.as_uri()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained for a second."""
    return train_hardly(tmp_path_factory.mktemp("trained")).run


@pytest.fixture(scope="module")
def folders(run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """References, and two folders of label maps that are wrong by one voxel along one axis each."""
    made = {"references": run.parents[1] / "data"}
    for axis, name in enumerate(("shifted", "other")):
        made[name] = tmp_path_factory.mktemp(name)
        for path in made["references"].glob("*/*_seg.nii.gz"):
            labels = nib.load(path)
            moved = np.roll(np.asarray(labels.dataobj), 1, axis)
            nib.save(
                nib.Nifti1Image(moved, labels.affine),
                made[name] / path.name.replace("_seg.nii.gz", ".nii.gz"),
            )
    return made


@pytest.fixture(scope="module")
def pages(run: Path, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One page of each kind."""
    output = tmp_path_factory.mktemp("pages")
    compared = {
        "compare": (str(folders["shifted"]), str(folders["other"])),
        "references": str(folders["references"]),
    }
    first = sorted(folders["references"].iterdir())[0].name
    [case] = report_case(ReportConfig(run=str(run), case=(first,), output=str(output / "case")))
    scored = {"predictions": str(folders["shifted"]), "references": str(folders["references"])}
    classifier = train_classifier_hardly(tmp_path_factory.mktemp("classifier")).run
    return {
        "run": run / "report" / "report.html",
        "classifier": classifier / "report" / "report.html",
        "predictions": report(ReportConfig(**scored, output=str(output / "scored"))),
        "comparison": report(ReportConfig(**compared, output=str(output / "compared"))),
        "case": case,
    }


@pytest.fixture(params=["run", "classifier", "predictions", "comparison", "case"])
def page(request: pytest.FixtureRequest, browser: Browser, pages: dict[str, Path]) -> Path:
    """A page that has just been opened."""
    path = pages[request.param]
    browser.open(path)
    browser.wait(lambda: browser.run("return document.readyState") == "complete", "the page is loaded")
    return path


def test_it_is_whole_small_and_says_what_it_is_not_for(browser: Browser, page: Path) -> None:
    assert page.stat().st_size < 5e6
    broken = (
        "return [...document.images].filter(one => !one.complete || !one.naturalWidth).map(one => one.alt)"
    )
    assert browser.run(broken) == []
    assert browser.all("img, svg")
    assert "not for clinical use" in browser.run("return document.body.innerText").lower()
    assert browser.requests() == [page.as_uri()]


def test_axe_finds_no_barrier(browser: Browser, page: Path) -> None:
    assert browser.barriers_in_both_schemes() == []


def test_it_needs_no_scrolling_sideways(browser: Browser, page: Path) -> None:
    for width in (1280, 820, 400):
        browser.look(width, 1000)
        wide = browser.run("return document.documentElement.scrollWidth")
        assert wide <= width


def test_it_prints_on_a_few_sheets(browser: Browser, page: Path) -> None:
    sheets = len(re.findall(rb"/Type\s*/Page\b", browser.printed()))
    assert 1 <= sheets <= 25


def test_links_within_it_lead_somewhere(browser: Browser, page: Path) -> None:
    lost = "return [...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.hash.slice(1))" + (
        ".filter(id => id && !document.getElementById(id))"
    )
    assert browser.run(lost) == []


def test_the_case_can_be_turned_around_in_its_page(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["case"])
    browser.wait(lambda: browser.all("#view-canvas[data-ready=yes]"), "the volumes are drawn")
    drawn = browser.picture("#view-canvas")
    assert len(np.unique(drawn)) > 10
    seen = [drawn]
    changes = (
        ("#view-labels", "reference"),
        ("#view-labels-opacity", "0"),
        ("#view-image", "flair"),
        ("#view-planes", "RENDER"),
    )
    for control, value in changes:
        browser.run(
            "arguments[0].value = arguments[1];"
            "arguments[0].dispatchEvent(new Event('input', {bubbles: true}))",
            browser.find(control),
            value,
        )
        browser.wait(
            lambda: differ(browser.picture("#view-canvas"), seen[-1]), f"{control} changes the picture"
        )
        seen.append(browser.picture("#view-canvas"))
