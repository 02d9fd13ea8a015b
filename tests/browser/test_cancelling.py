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

# Answers to what window.held matches wait in window.waiting; window.answered has all others.
_SLOW_SERVER = """
const ask = window.fetch;
[window.waiting, window.answered] = [new Map(), []];
window.fetch = async (address, options) => {
  const question = `${options?.method ?? "GET"} ${address}`;
  const answer = await ask(address, options);
  if (window.held.test(question)) await new Promise((go) => window.waiting.set(question, go));
  window.answered.push(question);
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


def hold(page: ViewerPage, questions: str) -> None:
    """Let the answers to questions, such as POST /api/segment, be long in coming."""
    page.browser.run(f"window.held = /{questions}/; {_SLOW_SERVER}")


def let_go(page: ViewerPage, question: str) -> None:
    """Wait for an answer that is held, and let it come."""
    of_it = f"[...window.waiting.keys()].find((one) => /{question}/.test(one))"
    page.browser.wait(lambda: page.browser.run(f"return {of_it}"), f"{question} is asked")
    page.browser.run(f"const key = {of_it}; window.waiting.get(key)(); window.waiting.delete(key)")


def wait_for_answer(page: ViewerPage, question: str) -> None:
    answered = f"return window.answered.some((one) => /{question}/.test(one))"
    page.browser.wait(lambda: page.browser.run(answered), f"{question} is answered")


@pytest.mark.parametrize("way", ["cancelled", "another image"])
def test_it_is_cancelled_even_before_the_page_knows_its_name(
    page: ViewerPage, with_tumour: Path, way: str
) -> None:
    images = images_of(with_tumour)
    page.drop(*images.values())
    hold(page, "segment")
    page.browser.find("#segment").click()
    page.wait_for("segmenting")
    if way == "cancelled":
        page.browser.find("#cancel").click()
        page.wait_for("ready")
    else:
        page.drop_in_addition(images["flair"])
    let_go(page, "segment")
    wait_for_answer(page, "DELETE")
    assert page.state == "ready"
    page.browser.run("window.held = /nothing/")
    page.segment()
    assert page.voxels()["WT"] > 0


def test_a_result_that_arrives_while_it_is_cancelled_is_not_shown(
    page: ViewerPage, with_tumour: Path
) -> None:
    page.drop(*images_of(with_tumour).values())
    hold(page, "result|DELETE")
    page.browser.find("#segment").click()
    page.browser.wait(lambda: page.browser.run("return window.waiting.size"), "the result is asked for")
    page.browser.find("#cancel").click()
    page.browser.wait(lambda: page.browser.run("return window.waiting.size") == 2, "it is cancelled")
    let_go(page, "result")
    wait_for_answer(page, "result")
    let_go(page, "DELETE")
    page.wait_for("ready")
    assert not page.browser.find("#results").is_displayed()
