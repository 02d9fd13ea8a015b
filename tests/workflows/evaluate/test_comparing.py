"""Two tools case by case: scored now or before, on the same references and by the same rules."""

from __future__ import annotations

import json
import shutil

import pytest

from brats3d.__main__ import main
from brats3d.errors import ConfigError, DataError, OutputError
from brats3d.workflows.comparing import compare_folders
from brats3d.workflows.evaluate import evaluate

CASES = ("BraTS2021_00001", "BraTS2021_00002", "BraTS2021_00010")


@pytest.fixture
def models(maps, data_set, monkeypatch):
    """Predictions A, as good as the references in the first case, and B, a voxel worse in each."""
    maps.predict("A")
    maps.predict("B", shift=1)
    monkeypatch.chdir(maps.root)
    return maps


def content(path):
    return json.loads(path.read_text())


@pytest.mark.parametrize("words", [["--compare", "A", "B"], ["--compare", "[A, B]"], ["--compare=A,B"]])
def test_two_folders_of_predictions(models, capsys, words):
    assert main(["evaluate", *words, "--references", "data", "--output", "o"]) == 0
    shown = capsys.readouterr().out
    found = content(models.root / "o" / "comparison.json")
    assert found["models"] == ["A", "B"]
    assert [row["model"] for row in found["ranking"]] == ["A", "B"]
    dice = [row for row in found["differences"] if row["metric"] == "dice"]
    assert {row["region"]: (row["wins"], row["ties"], row["losses"]) for row in dice} == {
        "ET": (2, 1, 0),  # both miss ET of the third case altogether
        "TC": (3, 0, 0),
        "WT": (3, 0, 0),
    }
    assert dice[2]["difference"]["mean"] == pytest.approx(-1 / 6)
    assert (found["partial"], found["failed"], found["cases"]) == (False, {}, 3)
    assert "A = A, B = B: 3 cases" in shown
    assert sorted(path.name for path in (models.root / "o").iterdir()) == ["A", "B", "comparison.json"]
    assert (models.root / "o" / "B" / "lesions.csv").is_file()
    assert sorted(path.name for path in (models.root / "A").glob("*.csv")) == []


def test_the_same_from_tables_written_before(models):
    scored = compare_folders(["A", "B"], "data", "o", quiet=True)
    for name in ("A", "B"):
        evaluate(name, "data", f"scores/{name}", quiet=True)
    assert main(["evaluate", "--compare", "scores/A", "scores/B", "--output", "p"]) == 0
    read, first = (
        content(models.root / "p" / "comparison.json"),
        content(models.root / "o" / "comparison.json"),
    )
    assert read["differences"] == first["differences"]
    assert read["profile"] == first["profile"]
    assert read["profile"]["name"] == scored.summary["profile"]["name"] == "brats2023-gli"


def test_scores_lie_with_the_predictions_unless_said_otherwise(models):
    evaluate("A", "data", "A", quiet=True)
    assert main(["evaluate", "--compare", "A", "B", "--references", "data"]) == 0
    assert content(models.root / "A" / "comparison.json")["models"] == ["A", "B"]
    assert content(models.root / "B" / "metrics.json")["cases"] == 3
    assert main(["evaluate", "--compare", "A", "B"]) == 2  # the same folders, other inputs: no references
    assert main(["evaluate", "--compare", "A", "B", "--overwrite"]) == 0


def test_again_is_no_overwriting_and_other_folders_are(models):
    compare_folders(["A", "B"], "data", "o", quiet=True)
    again = compare_folders(["A", "B"], "data", "o", quiet=True)
    assert "A: 3 of 3 cases were scored before and are unchanged" in again.notes
    models.predict("C", shift=2)
    with pytest.raises(OutputError, match="exists already"):
        compare_folders(["A", "C"], "data", "o", quiet=True)
    assert content(models.root / "o" / "comparison.json")["models"] == ["A", "B"]
    assert compare_folders(["A", "B", "C"], "data", "p", quiet=True).summary["models"] == ["A", "B", "C"]


def test_other_metrics(models, capsys):
    words = ["evaluate", "--compare", "A", "B", "--references", "data", "--output"]
    assert main([*words, "o", "--metrics", "lesion_dice", "nsd_2mm", "--tolerances_mm", "2"]) == 0
    found = content(models.root / "o" / "comparison.json")
    assert found["higher_is_better"] == {"lesion_dice": True, "nsd_2mm": True}
    assert main([*words, "p", "--metrics", "volume_ref_ml"]) == 2
    assert "without better and worse" in capsys.readouterr().err
    assert main([*words, "q", "--metrics", "dise"]) == 2
    assert "did you mean 'dice'" in capsys.readouterr().err


def test_folders_of_the_same_name(models):
    for place in ("x", "y"):
        shutil.copytree(models.root / ("A" if place == "x" else "B"), models.root / place / "labels")
    found = compare_folders(["x/labels", "y/labels"], "data", "o", quiet=True)
    assert found.summary["models"] == ["x_labels", "y_labels"]
    assert (models.root / "o" / "y_labels" / "metrics.csv").is_file()


def test_a_bad_case_leaves_the_others_compared(models, capsys):
    (models.root / "B" / f"{CASES[0]}.nii.gz").write_text("not a volume")
    assert main(["evaluate", "--compare", "A", "B", "--references", "data", "--output", "o"]) == 2
    shown = capsys.readouterr()
    assert "1 of 3 cases could not be compared; the results are partial" in shown.err
    assert f"{CASES[0]}: B: cannot read the file" in shown.err
    assert "2 cases" in shown.out
    found = content(models.root / "o" / "comparison.json")
    assert (found["partial"], found["cases"], list(found["failed"])) == (True, 2, [CASES[0]])
    # The tables say it too, when they are read later.
    read = compare_folders(["o/A", "o/B"], output="p")
    assert read.failed == found["failed"]


def test_missing_predictions(models):
    (models.root / "B" / f"{CASES[2]}.nii.gz").unlink()
    failed = compare_folders(["A", "B"], "data", "o", quiet=True)
    assert list(failed.failed) == [CASES[2]]
    skipped = compare_folders(["A", "B"], "data", "p", quiet=True, missing="skip")
    assert (skipped.failed, skipped.comparison.cases) == ({}, 2)
    assert skipped.comparison.left_out[0].missing_from == ("B",)
    penalised = compare_folders(["A", "B"], "data", "q", quiet=True, missing="penalise")
    assert (penalised.failed, penalised.comparison.cases) == ({}, 3)
    evaluate("B", "data", "s", quiet=True, missing="skip")
    read = compare_folders(["o/A", "s"], output="r")
    assert read.failed == {CASES[2]: "no scores in s"}


def test_scores_by_other_rules_are_not_compared(models):
    evaluate("A", "data", "a", quiet=True)
    evaluate("B", "data", "b", definition="pooled", quiet=True)
    with pytest.raises(ConfigError, match=r"different rules[\s\S]*profile\.definition area and pooled"):
        compare_folders(["a", "b"], output="o")
    evaluate("B", "data", "c", regions={"WT": ["NCR", "ED", "ET"]}, quiet=True)
    with pytest.raises(ConfigError, match="same regions"):
        compare_folders(["a", "c"], output="o")


def test_scores_against_other_references_are_not_compared(models):
    evaluate("A", "data", "a", quiet=True)
    reference = models.root / "data" / CASES[1] / f"{CASES[1]}_seg.nii.gz"
    models.write(reference, 5)  # reaches over the border: another volume
    evaluate("B", "data", "b", quiet=True)
    with pytest.raises(DataError, match=rf"different references[\s\S]*{CASES[1]} \(WT\)"):
        compare_folders(["a", "b"], output="o")
    assert not (models.root / "o").exists()


def test_tables_without_a_summary_are_compared_with_a_note(models):
    for name in ("A", "B"):
        evaluate(name, "data", f"s/{name}", quiet=True)
    (models.root / "s" / "B" / "metrics.json").unlink()
    found = compare_folders(["s/A", "s/B"], output="o")
    assert found.notes == ("B: no metrics.json: by which rules it was scored is not known",)
    (models.root / "s" / "B" / "metrics.json").write_text("[]")
    with pytest.raises(DataError, match="not a summary of scores"):
        compare_folders(["s/A", "s/B"], output="o")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--compare", "A"], "two folders or more"),
        (["--compare", "A", "A"], "each once"),
        (["--compare", "A", "nowhere"], "does not exist"),
        (["--compare", "A", "B"], "nothing to compare in the folder"),
        (["--compare", "A", "B", "--predictions", "A"], "exclude each other"),
        (["--compare", "A", "B", "--references", "nowhere"], "the references do not exist"),
        (["--compare", "A", "B", "--references", "data", "--profile", "brats"], "unknown name 'brats'"),
    ],
)
def test_user_errors(models, capsys, words, message):
    before = sorted(models.root.rglob("*"))
    assert main(["evaluate", "--output", "o", *words]) == 2
    assert message in capsys.readouterr().err
    assert sorted(models.root.rglob("*")) == before
