"""Cases scored with the same settings and file contents are not scored again, whatever happened between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from brats3d.errors import OutputError
from brats3d.labels import custom_convention
from brats3d.workflows import scoring
from brats3d.workflows.evaluate import evaluate
from brats3d.workflows.scored_cases import JOURNAL_NAME

CASES = ("BraTS2021_00001", "BraTS2021_00002", "BraTS2021_00010")


@pytest.fixture
def scored(monkeypatch):
    """Ids of the cases that are measured, in order."""
    measured = []

    def counted(*masks, case_id, **settings):
        measured.append(case_id)
        return known(*masks, case_id=case_id, **settings)

    known = scoring.evaluate_case
    monkeypatch.setattr(scoring, "evaluate_case", counted)
    return measured


@pytest.fixture
def run(maps, data_set, tmp_path, scored):
    """Evaluates into one folder and returns the evaluation and the cases it measured."""
    predictions = maps.predict()

    def evaluated(**changes):
        scored.clear()
        settings = {"quiet": True, **changes}
        found = evaluate(predictions, data_set, tmp_path / "o", **settings)
        return found, sorted(scored)

    return evaluated


def journal(tmp_path) -> Path:
    return tmp_path / "o" / JOURNAL_NAME


@pytest.mark.parametrize("jobs", [1, 2])
def test_nothing_is_scored_twice(run, tmp_path, jobs):
    first, measured = run(jobs=jobs)
    assert measured == list(CASES)
    written = {path.name: path.read_bytes() for path in (tmp_path / "o").iterdir()}
    again, measured = run(jobs=jobs)
    assert measured == []
    assert (again.rows, again.lesions, again.summary) == (first.rows, first.lesions, first.summary)
    assert again.notes[-1] == "3 of 3 cases were scored before and are unchanged"
    assert {path.name: path.read_bytes() for path in (tmp_path / "o").iterdir()} == written


def test_values_that_are_not_numbers_survive(run, maps):
    for path in (maps.root / "p").glob("*1.nii.gz"):
        path.unlink()
    labels = custom_convention({1: "NCR", 2: "ED", 4: "ET", 5: "RC"})
    settings = {
        "reference_convention": labels,
        "prediction_convention": labels,
        "regions": {"WT": ["NCR", "ED", "ET"], "nothing": ["RC"]},
        "policy": "formula",
        "missing": "penalise",
        "tolerances_mm": (0.5, 1),
    }
    first, _ = run(**settings)
    again, measured = run(**settings)
    assert measured == []
    assert str(again.rows) == str(first.rows)  # NaN is not equal to itself
    assert "inf" in str(first.rows)
    assert "nan" in str(first.rows)
    assert again.lesions == first.lesions
    assert list(again.lesions[0].nsd) == [0.5, 1]


@pytest.mark.parametrize("side", ["prediction", "reference"])
def test_a_changed_file_is_scored_again_and_no_other(run, maps, data_set, side):
    run()
    paths = {
        "prediction": maps.root / "p" / f"{CASES[1]}.nii.gz",
        "reference": data_set / CASES[1] / f"{CASES[1]}_seg.nii.gz",
    }
    maps.write(paths[side], 2)
    changed, measured = run()
    assert measured == [CASES[1]]
    wt = next(row for row in changed.rows if row.case_id == CASES[1] and row.region == "WT")
    assert wt["dice"] == pytest.approx({"prediction": 4 / 6, "reference": 5 / 6}[side])
    assert run()[1] == []


def test_a_file_that_was_only_touched_is_not(run, maps):
    run()
    for path in (maps.root / "p").glob("*.nii.gz"):
        os.utime(path, (1, 1))
    assert run()[1] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"profile": "brats2023-met"},
        {"definition": "pooled"},
        {"policy": "formula"},
        {"penalty_mm": 1},
        {"tolerances_mm": (2,)},
        {"regions": "all"},
        {"prediction_convention": "brats2012"},
        {"check_affine": False},
    ],
)
def test_other_settings_score_everything_again(run, changes):
    run()
    assert run(overwrite=True, **changes)[1] == list(CASES)
    assert run(**changes)[1] == []


def test_what_a_missing_partner_means_scores_nothing_again(run, maps):
    (maps.root / "p" / f"{CASES[2]}.nii.gz").unlink()
    failed, measured = run()
    assert (list(failed.failed), measured) == ([CASES[2]], list(CASES[:2]))
    found, measured = run(missing="penalise", overwrite=True)
    assert (found.failed, measured) == ({}, [CASES[2]])
    assert run(missing="skip", overwrite=True)[1] == []


def test_a_mended_case_completes_the_results(run, maps, tmp_path):
    (maps.root / "p" / f"{CASES[1]}.nii.gz").write_text("not a volume")
    assert list(run()[0].failed) == [CASES[1]]
    assert run()[1] == []
    maps.write(maps.root / "p" / f"{CASES[1]}.nii.gz", 1)
    mended, measured = run()
    assert (mended.failed, measured) == ({}, [CASES[1]])
    assert [row.case_id for row in mended.rows] == [case_id for case_id in CASES for _ in range(3)]
    assert json.loads((tmp_path / "o" / "metrics.json").read_text())["partial"] is False
    assert "partial" not in (tmp_path / "o" / "metrics.csv").read_text()


def test_a_case_that_is_gone_is_dropped(run, maps, data_set, tmp_path):
    run()
    (maps.root / "p" / f"{CASES[0]}.nii.gz").unlink()
    (data_set / CASES[0] / f"{CASES[0]}_seg.nii.gz").unlink()
    assert {row.case_id for row in run()[0].rows} == set(CASES[1:])
    assert CASES[0] not in journal(tmp_path).read_text()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: text.rindex("\n", 0, -1) + 30],
        lambda text: text[:-1] + "garbage",
        lambda text: text[: text.rindex("\n", 0, -1) + 1] + '{"settings": 1}\n[1]\n\x00\x00',
        lambda text: "".join(
            line.replace('"rows"', '"columns"') if CASES[2] in line else line
            for line in text.splitlines(keepends=True)
        ),
    ],
    ids=["torn", "garbage at the end", "other lines", "another layout"],
)
def test_a_torn_journal_costs_the_torn_case_alone(run, tmp_path, spoil):
    first, _ = run()
    journal(tmp_path).write_text(spoil(journal(tmp_path).read_text()))
    again, measured = run()
    assert measured == [CASES[2]]
    assert again.rows == first.rows
    assert len(journal(tmp_path).read_text().splitlines()) == 4
    assert run()[1] == []


def test_a_line_after_a_torn_one_is_whole(run, tmp_path, scored, monkeypatch):
    """An evaluation that is stopped twice: the torn line of the first does not spoil those of the second."""
    run()
    lines = journal(tmp_path).read_text().splitlines(keepends=True)
    journal(tmp_path).write_text(lines[0] + lines[1] + lines[2][:40])
    measured = scoring.evaluate_case

    def stop_at_the_last(*masks, case_id, **settings):
        if case_id == CASES[2]:
            raise KeyboardInterrupt
        return measured(*masks, case_id=case_id, **settings)

    with monkeypatch.context() as stopping:
        stopping.setattr(scoring, "evaluate_case", stop_at_the_last)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert run()[1] == [CASES[2]]


def test_without_a_journal_results_are_those_of_others(run, tmp_path):
    run()
    journal(tmp_path).unlink()
    with pytest.raises(OutputError, match="exists already"):
        run()
    assert run(overwrite=True)[1] == list(CASES)


KILLED = """
import os, signal, sys
from brats3d.workflows import scoring
from brats3d.workflows.evaluate import evaluate
known, measured = scoring.evaluate_case, []
def killed(*masks, case_id, **settings):
    measured.append(case_id)
    if len(measured) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return known(*masks, case_id=case_id, **settings)
scoring.evaluate_case = killed
evaluate(*sys.argv[1:], quiet=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_evaluation_loses_the_case_it_was_at(run, maps, data_set, tmp_path):
    words = [str(maps.root / "p"), str(data_set), str(tmp_path / "o")]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *words],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in (tmp_path / "o").iterdir()] == [JOURNAL_NAME]
    found, measured = run()
    assert measured == [CASES[2]]
    assert len(found.rows) == 9
    assert found.notes[-1].startswith("2 of 3 cases were scored before")


def test_a_journal_that_cannot_be_written(maps, data_set, tmp_path):
    (tmp_path / "o" / JOURNAL_NAME).mkdir(parents=True)
    for jobs in (1, 2):
        with pytest.raises(OutputError, match="cannot write the result"):
            evaluate(maps.predict(), data_set, tmp_path / "o", jobs=jobs, quiet=True)


def test_results_that_are_not_written_keep_no_journal(maps, data_set, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    predictions = maps.predict()
    evaluate(predictions, data_set, quiet=True)
    assert sorted(tmp_path.rglob("*")) == sorted({*before, predictions, *predictions.iterdir()})
