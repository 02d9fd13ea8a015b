"""Segmentations that nobody wants any more, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from chromium import NEEDED
from made_up_cases import images_of
from served import EXAMPLE, Server, served
from viewer_page import ViewerPage

pytestmark = NEEDED

# Questions for a segmentation wait until window.answer() is called; window.asked has what was asked.
_SLOW_SERVER = """
const ask = window.fetch;
const held = new Promise((resolve) => { window.answer = resolve; });
window.asked = [];
window.fetch = async (address, options) => {
  if (String(address) === "/api/segment") await held;
  const answer = await ask(address, options);
  window.asked.push(`${options?.method ?? "GET"} ${address}`);
  return answer;
};
"""

# As behind a proxy that does not let events through: the page asks every second instead.
_NO_EVENTS = """
window.EventSource = class extends EventTarget {
  constructor() { super(); setTimeout(() => this.dispatchEvent(new Event("error"))); }
  close() {}
};
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that offers the example of a bundle."""
    with served(tmp_path_factory.mktemp("server"), "--bundle", f"[{EXAMPLE}]") as started:
        yield started


def enlarged(images: dict[str, Path], folder: Path) -> list[Path]:
    """Write images again with 64 times as many voxels."""
    paths = []
    for path in images.values():
        image = nib.load(path)
        large = np.asarray(image.dataobj)
        for axis in range(3):
            large = large.repeat(4, axis)
        paths.append(folder / path.name)
        nib.save(nib.Nifti1Image(large, image.affine), paths[-1])
    return paths


@pytest.mark.parametrize("events", [True, False])
def test_a_segmentation_can_be_cancelled(
    page: ViewerPage, with_tumour: Path, tmp_path: Path, events: bool
) -> None:
    if not events:
        page.browser.run(_NO_EVENTS)
    page.drop(*enlarged(images_of(with_tumour), tmp_path))
    page.browser.find("#segment").click()
    progress = "return document.querySelector('#job-progress').value"
    page.browser.wait(lambda: 0 < page.browser.run(progress) < 1, "progress is shown")
    page.browser.find("#cancel").click()
    page.wait_for("ready")
    assert not page.browser.find("#results").is_displayed()

    page.browser.find("#new-case").click()
    page.wait_for("empty")
    page.drop(*images_of(with_tumour).values())
    page.segment()
    assert page.voxels()["WT"] > 0


@pytest.mark.parametrize("way", ["cancelled", "another image"])
def test_it_is_cancelled_even_before_the_server_has_answered(
    page: ViewerPage, with_tumour: Path, way: str
) -> None:
    images = images_of(with_tumour)
    page.drop(*images.values())
    page.browser.run(_SLOW_SERVER)
    page.browser.find("#segment").click()
    page.wait_for("segmenting")
    if way == "cancelled":
        page.browser.find("#cancel").click()
        page.wait_for("ready")
    else:
        page.drop_in_addition(images["flair"])
    page.browser.run("window.answer()")
    deleted = "return window.asked.some((one) => one.startsWith('DELETE /api/jobs/'))"
    page.browser.wait(lambda: page.browser.run(deleted), "the segmentation is cancelled")
    assert page.state == "ready"
    page.segment()
    assert page.voxels()["WT"] > 0
