"""The page of a case that a visitor takes home: what it says is what the result says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brats3d.cases import Case
from brats3d.viewer import Job, SegmentationService
from brats3d.viewer.case_report import case_report


@pytest.fixture
def done(obedient: Any, phantom_case: Case, tmp_path: Path) -> Iterator[Job]:
    with SegmentationService([obedient.offered()], tmp_path / "kept") as service:
        job = service.submit(phantom_case, "obedient")
        assert job.wait(20)["state"] == "done"
        yield job


def voxels_on_page(page: str, region: str) -> int:
    found = re.search(rf'<th scope="row"><span[^>]*></span>{region}</th>(.*?)</tr>', page, re.DOTALL)
    assert found is not None
    return int(re.findall(r"<td>([^<]*)</td>", found[1])[-1].replace(",", ""))


@pytest.mark.parametrize("thresholds", [None, {"WT": 0.2, "ET": 0.8}], ids=["the model's own", "a visitor's"])
def test_it_counts_at_the_thresholds_of_the_result(done: Job, thresholds: dict[str, float] | None) -> None:
    result = done.result(thresholds)
    path = case_report(result)
    page = path.read_text(encoding="utf-8")
    said = result.as_dict()
    for row in said["regions"]:
        assert voxels_on_page(page, row["name"]) == row["voxels"]
        assert f"threshold of {row['name']}</dt><dd>{row['threshold']:g}<" in page
    assert ('id="agreement"' in page) == (said["scores"] is not None)
    assert case_report(done.result(thresholds)) == path


def test_nothing_found_is_said_with_its_reason(done: Job) -> None:
    nowhere = dict.fromkeys(("ET", "TC", "WT"), 0.9999)
    result = done.result(nowhere)
    alert = result.as_dict()["alert"]
    page = case_report(result).read_text(encoding="utf-8")
    assert alert is not None
    assert 'role="alert"' in page
    assert alert in page
