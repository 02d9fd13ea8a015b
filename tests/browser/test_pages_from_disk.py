"""Pages that are files, opened from disk in a real browser: all they need is in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from chromium import Browser

from brats3d import reporting

NIIVUE = Path(reporting.__file__).parent / "niivue" / "niivue.umd.js"

_PAGE = """<!doctype html><html lang="en"><title>A ball</title><body><canvas id="view"></canvas>
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
    page.write_text(_PAGE.format(niivue=NIIVUE.read_text(encoding="utf-8")), encoding="utf-8")
    browser.open(page)
    browser.wait(lambda: browser.run("return document.body.dataset.ready"), "the volume is loaded")
    picture = browser.picture("#view")
    assert len(np.unique(picture)) > 1
    assert browser.requests() == [page.as_uri()]
