"""Reports of benchmarks: medians, ratios, tables, JSON."""

from __future__ import annotations

import json
import math

import pytest

from brats3d.benchmarks.machine import this_machine
from brats3d.benchmarks.report import Measurement, Report, Section


def measurement(name: str, *wall_ms: float, peak_mib: float = 100.0, **versions: str) -> Measurement:
    return Measurement(
        name, f"what {name} does", wall_ms, wall_ms, peak_mib, peak_mib / 2, versions, {"WT": {"dice": 0.5}}
    )


@pytest.fixture
def report() -> Report:
    ours, theirs = measurement("ours", 30, 10, 20, numpy="2.4"), measurement("theirs", 90, 80, numpy="2.2")
    unknown = measurement("unknown", 5, peak_mib=math.nan, numpy="2.4")
    section = Section("a subject", (ours, theirs, unknown), ("a note below",))
    return Report("metrics", this_machine(), {"repeats": 3}, (section,), ("not measured: x",))


def test_ratios_are_of_medians_to_the_first(report: Report) -> None:
    section = report.sections[0]
    assert [section.ratio(own) for own in section.measurements] == [1.0, 4.25, 0.25]


def test_the_table(report: Report) -> None:
    lines = report.table().splitlines()
    assert lines[0].split() == "a subject median ms min..max ms CPU ms ratio peak MiB own MiB".split()
    assert lines[2].split() == ["ours", "20.0", "10.0..30.0", "20.0", "1.00", "100", "50"]
    assert lines[3].split() == ["theirs", "85.0", "80.0..90.0", "85.0", "4.25", "100", "50"]
    assert lines[4].split() == ["unknown", "5.0", "5.0..5.0", "5.0", "0.25"]
    assert lines[5] == "a note below"
    assert "theirs: what theirs does" in lines
    assert "not measured: x" in lines
    assert lines[-2] == str(report.machine)
    assert lines[-1] == "numpy 2.4 and 2.2"


def test_as_json(report: Report) -> None:
    content = json.loads(json.dumps(report.as_dict()))
    first, second, _ = content["sections"][0]["measurements"]
    assert first["wall_ms"] == [30, 10, 20]
    assert (second["median_ms"], second["ratio"]) == (85, 4.25)
    assert first["scores"] == {"WT": {"dice": 0.5}}
    assert content["machine"]["cores"] >= 1
    assert content["settings"] == {"repeats": 3}
