"""What is written, by which rules, when it may be replaced, and with how many jobs and how much memory."""

from __future__ import annotations

import csv
import gc
import json
import math
import platform
import weakref
from dataclasses import replace

import numpy as np
import pytest
import scipy

import brats3d
from brats3d.__main__ import main
from brats3d.errors import OutputError
from brats3d.metrics import EMPTY_POLICIES, PROFILES, read_metrics_csv
from brats3d.workflows import scoring
from brats3d.workflows.evaluate import evaluate

CASES = ("BraTS2021_00001", "BraTS2021_00002", "BraTS2021_00010")


def files_of(folder):
    return sorted(path.name for path in folder.iterdir())


def test_results_on_disk(maps, data_set, tmp_path):
    found = evaluate(maps.predict(), data_set, tmp_path / "o", quiet=True)
    assert files_of(tmp_path / "o") == [".scored.jsonl", "lesions.csv", "metrics.csv", "metrics.json"]
    assert read_metrics_csv(tmp_path / "o" / "metrics.csv") == list(found.rows)
    assert "partial" not in (tmp_path / "o" / "metrics.csv").read_text()
    with (tmp_path / "o" / "lesions.csv").open(newline="") as file:
        records = list(csv.DictReader(file))
    assert len(records) == len(found.lesions) == 9  # one per case and region
    assert [record["kind"] for record in records if record["region"] == "WT"] == ["tp"] * 3
    assert float(records[2]["dice"]) == found.lesions[2].dice == 1
    summary = json.loads((tmp_path / "o" / "metrics.json").read_text())
    assert summary["regions"]["WT"]["dice"]["n"] == 3
    assert summary["brats3d"] == brats3d.__version__
    assert summary["versions"] == {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }
    assert summary["profile"]["name"] == "brats2023-gli"
    assert summary["inputs"]["reference_convention"]["name"] == "brats2017"
    assert (summary["partial"], summary["failed"]) == (False, {})
    assert summary["notes"] == ["references in layout brats2021"]
    assert "WT" in found.table()


def test_results_lie_with_the_predictions_unless_said_otherwise(maps, data_set):
    predictions = maps.predict()
    assert main(["evaluate", f"--predictions={predictions}", f"--references={data_set}"]) == 0
    assert {"metrics.csv", "metrics.json", "lesions.csv"} <= set(files_of(predictions))


def test_the_profile_decides(maps, data_set, tmp_path):
    predictions = maps.predict()
    words = [f"--predictions={predictions}", f"--references={data_set}"]
    for name in PROFILES:
        assert main(["evaluate", *words, f"--profile={name}", f"--output={tmp_path / name}"]) == 0
        summary = json.loads((tmp_path / name / "metrics.json").read_text())
        assert summary["profile"]["name"] == name
        assert f"'{PROFILES[name].definition}'" in summary["definitions"]["hd95_mm"]
    rows = read_metrics_csv(tmp_path / "brats2024-gli" / "metrics.csv")
    assert {"nsd_0.5mm", "nsd_1mm", "lesion_nsd_0.5mm"} <= set(rows[0].scores)


def test_parts_of_a_profile_may_be_ones_own(maps, data_set, tmp_path):
    predictions = maps.predict(cases=CASES[:2])
    words = [f"--predictions={predictions}", f"--references={data_set}", f"--output={tmp_path / 'o'}"]
    parts = ["--definition=directed", "--policy=formula", "--penalty_mm=99", "--tolerances_mm", "2", "3"]
    assert main(["evaluate", *words, *parts, "--missing=penalise"]) == 0
    summary = json.loads((tmp_path / "o" / "metrics.json").read_text())
    profile = summary["profile"]
    assert profile["name"] == "brats2023-gli, changed"
    assert (profile["definition"], profile["policy"]["name"]) == ("directed", "formula")
    assert (profile["policy"]["penalty_mm"], profile["lesions"]["penalty_mm"]) == (99, 99)
    assert profile["nsd_tolerances_mm"] == [2, 3]
    rows = read_metrics_csv(tmp_path / "o" / "metrics.csv")
    assert (rows[-1].empty, rows[-1]["hd95_mm"], rows[-1]["lesion_hd95_mm"]) == ("missing", 99, 99)
    assert rows[0]["nsd_3mm"] == 1


def test_a_profile_given_in_parts_that_are_its_own_is_unchanged(maps, data_set):
    profile = PROFILES["brats2023-met"]
    found = evaluate(
        maps.predict(),
        data_set,
        profile=profile,
        definition=profile.definition,
        policy=EMPTY_POLICIES["brats2023"],
        penalty_mm=374,
        tolerances_mm=[1],
        quiet=True,
    )
    assert json.dumps(found.summary["profile"]) == json.dumps(profile.as_dict())


def test_an_infinite_penalty_survives(maps, data_set, tmp_path):
    predictions = maps.predict(cases=CASES[:2])
    settings = {"policy": "formula", "missing": "penalise", "quiet": True}
    found = evaluate(predictions, data_set, tmp_path / "o", **settings)
    assert found.rows[-1]["hd95_mm"] == math.inf
    assert read_metrics_csv(tmp_path / "o" / "metrics.csv")[-1]["hd95_mm"] == math.inf
    assert evaluate(predictions, data_set, tmp_path / "o", **settings).rows[-1]["hd95_mm"] == math.inf


def test_jobs_change_nothing(maps, data_set, tmp_path):
    predictions = maps.predict()
    (predictions / f"{CASES[0]}.nii.gz").write_text("not a volume")
    one, three = (evaluate(predictions, data_set, jobs=jobs, quiet=True) for jobs in (1, 3))
    assert one == three
    for jobs in (1, 3):
        evaluate(predictions, data_set, tmp_path / "o", jobs=jobs, quiet=True)
    assert json.loads((tmp_path / "o" / "metrics.json").read_text())["failed"] == one.failed


@pytest.mark.parametrize("jobs", [1, 2])
def test_volumes_are_let_go_case_by_case(maps, monkeypatch, tmp_path, jobs):
    """The most volumes alive at a time do not grow with the number of cases."""
    cases = tuple(f"case_{number:02d}" for number in range(12))
    references = maps.predict("r", cases=cases)
    read, alive, most = scoring.read_volume, weakref.WeakValueDictionary(), 0

    def counted(path, **options):
        nonlocal most
        voxels, geometry = read(path, **options)
        alive[str(path)] = voxels
        most = max(most, len(alive))
        return voxels, geometry

    monkeypatch.setattr(scoring, "read_volume", counted)
    gc.disable()
    try:
        found = evaluate(
            references, references, tmp_path / "o", reference_convention="brats2017",
            prediction_pattern="*.nii.gz", reference_pattern="*.nii.gz", jobs=jobs, quiet=True,
        )  # fmt: skip
    finally:
        gc.enable()
    assert len(found.rows) == 36
    assert 1 <= most <= 2 * jobs + 2


def test_other_results_are_kept(maps, data_set, tmp_path):
    predictions = maps.predict()
    (tmp_path / "metrics.csv").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        evaluate(predictions, data_set, tmp_path, quiet=True)
    assert (tmp_path / "metrics.csv").read_text() == "mine"
    evaluate(predictions, data_set, tmp_path, overwrite=True, quiet=True)
    assert (tmp_path / "metrics.csv").read_text() != "mine"


def test_results_of_other_settings_inputs_or_hands_are_kept(maps, data_set, tmp_path):
    predictions, output = maps.predict(), tmp_path / "o"
    evaluate(predictions, data_set, output, quiet=True)
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    for changes in (
        {"profile": "brats2023-met"},
        {"definition": "pooled"},
        {"missing": "skip"},
        {"predictions": maps.predict("other")},
        {"prediction_pattern": "*.nii.gz"},
        {"regions": "all"},
        {"check_affine": False},
    ):
        settings = {"predictions": predictions, "quiet": True, **changes}
        with pytest.raises(OutputError, match="exists already"):
            evaluate(settings.pop("predictions"), data_set, output, **settings)
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    evaluate(predictions, data_set, output, quiet=True)
    (output / "lesions.csv").write_text("edited by hand")
    with pytest.raises(OutputError, match=r"lesions\.csv"):
        evaluate(predictions, data_set, output, quiet=True)
    (output / "lesions.csv").unlink()
    evaluate(predictions, data_set, output, quiet=True)
    assert (output / "lesions.csv").is_file()


def test_a_journal_of_another_version_is_not_used(maps, data_set, tmp_path, monkeypatch):
    predictions = maps.predict()
    evaluate(predictions, data_set, tmp_path / "o", quiet=True)
    monkeypatch.setattr(brats3d, "__version__", "99")
    with pytest.raises(OutputError):
        evaluate(predictions, data_set, tmp_path / "o", quiet=True)
    again = evaluate(predictions, data_set, tmp_path / "o", overwrite=True, quiet=True)
    assert not any("scored before" in note for note in again.notes)


def test_a_profile_of_ones_own(maps, data_set):
    own = replace(PROFILES["brats2023-gli"], name="mine", nsd_tolerances_mm=(4,))
    found = evaluate(maps.predict(), data_set, profile=own, quiet=True)
    assert found.summary["profile"]["name"] == "mine"
    assert "nsd_4mm" in found.rows[0].scores


def test_the_bar_is_on_standard_error(maps, data_set, capsys):
    evaluate(maps.predict(), data_set)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "3/3" in shown.err
