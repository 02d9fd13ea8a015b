"""A model behind a gate that lets nothing through, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import NEEDED
from made_up_cases import images_of, train_classifier_hardly, train_hardly
from served import Server, served
from viewer_page import ViewerPage

pytestmark = NEEDED

ALONE, GATED = "slices", "slices-gated"
REGIONS = ("ET", "TC", "WT")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that offers a run that sees tumour nearly everywhere, with and without a gate."""
    found_everywhere = {"postprocess__thresholds": dict.fromkeys(REGIONS, 0.01)}
    slices = {"model__spatial_dims": 2, "patch__size": [16, 16], "report": False, **found_everywhere}
    run = train_hardly(tmp_path_factory.mktemp("slices"), name=ALONE, **slices).run
    gate = train_classifier_hardly(tmp_path_factory.mktemp("gate"), report=False).run
    record = json.loads((gate / "gate.json").read_text())
    (gate / "gate.json").write_text(json.dumps({**record, "threshold": 1.0}))
    with served(tmp_path_factory.mktemp("server"), "--run", f"[{run}]", "--gate", str(gate)) as started:
        yield started


def alert(page: ViewerPage) -> str:
    return page.browser.find("#no-tumour").text


def test_what_it_left_out_is_told_and_not_taken_for_what_others_say(
    page: ViewerPage, with_tumour: Path
) -> None:
    page.drop(*images_of(with_tumour).values())
    page.segment(GATED)
    assert page.voxels() == dict.fromkeys(REGIONS, 0)
    assert "The gate left all 24 slices out" in alert(page)
    assert "sure of a tumour" in page.browser.find("#result-note").text

    page.segment(ALONE)
    assert min(page.voxels().values()) > 0
    assert not page.browser.all("#no-tumour")
    for region in REGIONS:
        page.slide(f"#threshold-{region}", 0.99)
    assert page.voxels() == dict.fromkeys(REGIONS, 0)
    assert "above the thresholds (ET 0.99, TC 0.99, WT 0.99)" in alert(page)
    page.slide("#threshold-WT", 0.98)
    assert "above the thresholds (ET 0.99, TC 0.99, WT 0.98)" in alert(page)

    page.browser.find("#result-select option:not(:checked)").click()
    page.wait_for("done")
    assert "The gate left all 24 slices out" in alert(page)
