"""The report of tiny runs: which figures, of which cases, and what happens when something is wrong."""

from __future__ import annotations

import csv
import json
import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brats3d.config import FitConfig, PredictConfig, ReportConfig
from brats3d.data.phantom import write_phantoms
from brats3d.errors import Brats3dError, ConfigError, DataError, OutputError, RunError
from brats3d.imaging import read_volume
from brats3d.report import main
from brats3d.reporting import RankedCase, count_confusion
from brats3d.workflows.fit import FitResult, fit
from brats3d.workflows.predict import predict
from brats3d.workflows.report import report, report_one
from brats3d.workflows.report_at_end import report_at_end
from brats3d.workflows.report_cases import choose_by_score
from brats3d.workflows.reported_cases import find_chosen, reported_case
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.training_curves import draw_training_curves

MakeConfig = Callable[..., FitConfig]
FORMS = ("png", "svg", "csv")
OF_SCORES = ("dice", "distributions", "volumes", "lesions", "calibration")
OF_ALL = ("curves", *OF_SCORES, "confusion")
TABLES = {"index.json", "report.html", "metrics.csv", "metrics.json", "failures.csv"}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def files(*figures: str) -> set[str]:
    return {f"{figure}.{form}" for figure in figures for form in FORMS}


@pytest.fixture(scope="module")
def held_out(trained: FitResult) -> str:
    (case_id,) = RunFolder(trained.run).split().test
    return case_id


@pytest.fixture(scope="module")
def made(trained: FitResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a report of the one test case."""
    output = tmp_path_factory.mktemp("report") / "figures"
    page = report(ReportConfig(run=str(trained.run), output=str(output), accelerator="cpu"))
    assert page == output / "report.html"
    return output


@pytest.fixture
def copied_run(trained: FitResult, tmp_path: Path) -> Path:
    """The run in a folder of the test's own."""
    return Path(shutil.copytree(trained.run, tmp_path / "copied"))


def test_a_training_leaves_its_curves(trained: FitResult, logged: Callable[..., dict[int, float]]) -> None:
    figures = trained.run / "report"
    assert names(figures) == files("curves")
    with (figures / "curves.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    for column in ("train/loss_epoch", "val/dice", "train/lr"):
        written = {int(row["epoch"]): float(row[column]) for row in rows if row[column]}
        assert written == logged(trained.run, column)
        assert written


def test_a_drawing_that_fails_is_told_and_does_no_harm(
    copied_run: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr("brats3d.reporting.draw_curves", fail)
    with caplog.at_level(logging.WARNING, "brats3d"):
        draw_training_curves(copied_run)
    assert "curves of the training have not been drawn" in caplog.text
    assert "no ink" in caplog.text


def test_figures_of_a_run(made: Path, held_out: str) -> None:
    of_case = [f"case-{held_out}-{kind}" for kind in ("overview", "planes")]
    assert names(made) == files(*OF_ALL, *of_case) | TABLES
    index = json.loads((made / "index.json").read_text())
    assert (index["run"], index["split"], index["cases"]) == ("trained", "test", [held_out])
    assert {figure["name"] for figure in index["figures"]} == {*OF_ALL, *of_case}
    assert {figure["case_id"] for figure in index["figures"]} == {None, held_out}


def test_the_prediction_is_that_of_predict(
    made: Path, trained: FitResult, held_out: str, phantom_set: Path, tmp_path: Path
) -> None:
    folder = phantom_set / held_out
    (path,) = predict(
        PredictConfig(
            run=(str(trained.run),), input=str(folder), output=str(tmp_path / "p"), accelerator="cpu"
        )
    )
    convention = RunFolder(trained.run).convention()
    reference, prediction = (
        convention.to_classes(read_volume(file)[0].astype(np.uint8))
        for file in (folder / f"{held_out}_seg.nii.gz", path)
    )
    with (made / "confusion.csv").open(newline="") as lines:
        counted = [int(row["voxels"]) for row in csv.DictReader(lines)]
    assert counted == count_confusion(reference, prediction, len(convention.class_names)).ravel().tolist()


@pytest.fixture
def unscored_run(copied_run: Path) -> Path:
    """The same without scores, whose report has the curves alone."""
    for name in ("metrics.csv", "metrics.json", "lesions.csv", "calibration.csv"):
        (copied_run / name).unlink()
    return copied_run


def test_a_report_is_not_replaced_unasked(unscored_run: Path, made: Path) -> None:
    # The curves that the training left are no report.
    assert main([str(unscored_run), "--cases", "0"]) == 0
    folder = unscored_run / "report"
    assert names(folder) == files("curves") | {"index.json", "report.html"}
    with pytest.raises(OutputError, match="a report already"):
        report(ReportConfig(run=str(unscored_run), cases=("0",)))
    shutil.copytree(made, folder, dirs_exist_ok=True)
    (folder / "own.txt").write_text("mine")
    report(ReportConfig(run=str(unscored_run), cases=("0",), overwrite=True))
    # What is of the former report and not in the new one goes; what is not of a report stays.
    assert names(folder) == files("curves") | {"index.json", "report.html", "own.txt"}


def test_what_the_training_wrote_is_replaced_unasked(unscored_run: Path) -> None:
    report_one(ReportConfig(run=str(unscored_run), cases=("0",)), by_training=True)
    report(ReportConfig(run=str(unscored_run), cases=("0",)))
    with pytest.raises(OutputError, match="a report already"):
        report(ReportConfig(run=str(unscored_run), cases=("0",)))


def test_a_run_without_scores_has_its_training(unscored_run: Path) -> None:
    html = report(ReportConfig(run=str(unscored_run), cases=("0",))).read_text(encoding="utf-8")
    assert "No case has been scored" in html
    assert 'id="training"' in html
    assert 'id="failures"' not in html


@pytest.mark.usefixtures("without_figures_of_scores")
def test_validation_cases_by_name(trained: FitResult, tmp_path: Path) -> None:
    (case_id,) = RunFolder(trained.run).split().val
    chosen = {"split": "val", "cases": (case_id,), "accelerator": "cpu"}
    page = report(ReportConfig(run=str(trained.run), output=str(tmp_path / "f"), **chosen))
    assert json.loads((page.parent / "index.json").read_text())["cases"] == [case_id]


@pytest.mark.parametrize(
    ("words", "kind", "parts"),
    [
        ({"run": "nowhere"}, RunError, ("not a run", "brats3d fit")),
        ({"run": None}, ConfigError, ("no run to report on", "runs/NAME")),
        ({"cases": ("BraTS2021_00099",)}, ConfigError, ("did you mean",)),
        ({"split": "train"}, ConfigError, ("test or val",)),
        ({"checkpoint": "first"}, RunError, ("best or last",)),
        ({"predictions": "somewhere"}, ConfigError, ("both --predictions and --references",)),
        ({"compare": ("a", "b")}, ConfigError, ("name it in compare",)),
    ],
    ids=[
        *("no run", "none named", "unknown case", "unknown split", "unknown checkpoint"),
        *("no references", "run beside compare"),
    ],
)
def test_what_cannot_be_reported(
    words: dict[str, object],
    kind: type[Brats3dError],
    parts: tuple[str, ...],
    trained: FitResult,
    tmp_path: Path,
) -> None:
    output = tmp_path / "deep" / "figures"
    with pytest.raises(kind) as error:
        report(ReportConfig(**{"run": str(trained.run), "output": str(output), **words}))
    for part in parts:
        assert part in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_training_case_is_told_apart(trained: FitResult, tmp_path: Path) -> None:
    split = RunFolder(trained.run).split()
    for case_id, told in ((split.train[0], "a case of the split 'train'"), (split.val[0], "--split val")):
        with pytest.raises(ConfigError) as error:
            report(ReportConfig(run=str(trained.run), output=str(tmp_path / "f"), cases=(case_id,)))
        assert told in str(error.value)


@pytest.mark.usefixtures("without_figures_of_scores")
def test_a_run_without_a_checkpoint_has_curves_at_least(
    copied_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(copied_run / "checkpoints")
    before = names(copied_run / "report")
    assert main([str(copied_run), "--accelerator", "cpu"]) == 2
    assert "no checkpoint yet" in capsys.readouterr().err
    assert names(copied_run / "report") == before
    assert main([str(copied_run), "--cases", "0"]) == 0


def test_a_classifier_has_its_curves(copied_run: Path) -> None:
    config = copied_run / "config.yaml"
    config.write_text(config.read_text().replace("task: segment", "task: classify"))
    page = report(ReportConfig(run=str(copied_run)))
    assert "No image has been judged yet" in page.read_text(encoding="utf-8")


def test_a_classifier_has_its_scores_and_misses(unscored_run: Path) -> None:
    config = unscored_run / "config.yaml"
    config.write_text(config.read_text().replace("task: segment", "task: classify"))
    missed = [{"case_id": name, "slice": 7, "confidence": sure} for name, sure in (("a", 0.2), ("b", 0.1))]
    shares = {"auc": 0.9, "accuracy": 0.8, "sensitivity": 0.75, "specificity": 1.0, "skipped_share": 0.5}
    counts = {"true_positives": 3, "false_negatives": 2, "false_positives": 0, "true_negatives": 4}
    judged = {"cases": 2, "images": 9, **shares, **counts, "missed": missed}
    gate = {"images": "slices", "threshold": 0.3, "wanted_sensitivity": 0.99, "val": judged}
    (unscored_run / "gate.json").write_text(json.dumps(gate))
    (unscored_run / "roc.csv").write_text("split,threshold,sensitivity,specificity\nval,1,0,1\nval,0,1,0\n")
    page = report(ReportConfig(run=str(unscored_run)))
    html = page.read_text(encoding="utf-8")
    assert re.findall(r'<section id="([^"]+)"', html) == ["failures", "training", "scores", "reproduce"]
    with (page.parent / "failures.csv").open(newline="") as lines:
        assert [(row["case_id"], row["region"]) for row in csv.DictReader(lines)] == [
            *(("b", "val, slice 7"), ("a", "val, slice 7"))
        ]
    assert names(page.parent) == files("curves", "roc") | {"index.json", "report.html", "failures.csv"}


def test_a_case_that_is_gone() -> None:
    with pytest.raises(RunError, match="no longer in the data set"):
        find_chosen([], ["BraTS2021_00001"])


@pytest.mark.usefixtures("without_figures_of_scores")
def test_a_case_that_cannot_be_read_is_told_first(
    trained: FitResult, held_out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DataError("a file is gone")

    monkeypatch.setattr("brats3d.workflows.report_run.reported_case", fail)
    page = report(ReportConfig(run=str(trained.run), output=str(tmp_path / "r"), accelerator="cpu"))
    with (tmp_path / "r" / "failures.csv").open(newline="") as lines:
        first = next(csv.DictReader(lines))
    assert (first["case_id"], first["failure"], first["detail"]) == (held_out, "not shown", "a file is gone")
    html = page.read_text(encoding="utf-8")
    assert html.index("a file is gone") < html.index('id="training"')


def test_what_fails_in_the_middle_leaves_nothing(
    trained: FitResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr("brats3d.workflows.report_run.training_part", fail)
    with pytest.raises(OutputError):
        report(ReportConfig(run=str(trained.run), output=str(tmp_path / "a" / "b"), accelerator="cpu"))
    assert not list(tmp_path.iterdir())


def test_the_page_says_what_there_is_to_say(made: Path, trained: FitResult, held_out: str) -> None:
    html = (made / "report.html").read_text(encoding="utf-8")
    sections = re.findall(r'<section id="([^"]+)"', html)
    assert sections == [
        *("failures", "training", "scores", "distributions", "volumes"),
        *("cases", "lesions", "calibration", "postprocessing", "reproduce"),
    ]
    epochs = f"max_epochs: {RunFolder(trained.run).config().trainer.max_epochs}"
    told = (held_out, epochs, "best.ckpt", "2 TP / (2 TP + FP + FN)", "torch", "processor", str(trained.run))
    assert [text for text in told if text not in html] == []
    assert len(html) < 5_000_000
    for link in re.findall(r'href="([^"#][^"]*)"', html):
        assert link.startswith("data:") or (made / link).is_file(), link


def test_the_report_at_the_end_of_a_training(
    copied_run: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(RunFolder(copied_run).config(), report=True)
    asked: list[ReportConfig] = []

    def write(config: ReportConfig, *, by_training: bool) -> Path:
        asked.append(config)
        assert by_training
        if len(asked) > 1:
            raise RuntimeError("no ink")
        return copied_run / "report" / "report.html"

    monkeypatch.setattr("brats3d.workflows.report.report_one", write)
    shutil.rmtree(copied_run / "report")
    report_at_end(copied_run, config)
    assert [(own.run, own.accelerator) for own in asked] == [(str(copied_run), "cpu")]
    with caplog.at_level(logging.WARNING, "brats3d"):
        report_at_end(copied_run, config)
    assert f"brats3d report {copied_run}" in caplog.text
    assert "no ink" in caplog.text
    # What there is of the run can still be seen.
    assert names(copied_run / "report") == files("curves")


class TestChoice:
    ranked = tuple(
        RankedCase(name, score) for name, score in zip("edcba", (0.1, 0.2, 0.3, 0.4, 0.5), strict=True)
    )

    @pytest.mark.parametrize(
        ("wanted", "chosen"),
        [("3", "eca"), ("2", "ea"), ("1", "e"), ("4", "edba"), ("99", "edcba"), ("0", ""), ("b", "b")],
    )
    def test_cases_are_spread_from_the_worst_to_the_best(self, wanted: str, chosen: str) -> None:
        assert "".join(choose_by_score("abcde", self.ranked, (wanted,))) == chosen

    def test_they_are_called_what_they_are(self) -> None:
        found = choose_by_score("abcde", self.ranked, ("3",))
        assert [said.split(",")[0] for said in found.values()] == ["Worst case", "Median case", "Best case"]
        assert found["e"] == "Worst case, mean Dice 0.100"

    def test_without_scores_the_first_are_taken(self) -> None:
        assert choose_by_score("abc", (), ("2",)) == {"a": "", "b": ""}

    def test_an_unknown_case(self) -> None:
        with pytest.raises(ConfigError, match="not among those"):
            choose_by_score(("one", "two"), (), ("tow",))


@pytest.mark.usefixtures("without_figures_of_scores")
def test_pictures_have_figures_too(fit_config: MakeConfig, tmp_path: Path) -> None:
    root = tmp_path / "chests"
    write_phantoms(root, cases=4, layout="chest_xray", size=(48, 40, 32))
    plane = {"model__spatial_dims": 2, "patch__size": [16, 16], "preprocess__crop_to_brain": False}
    chosen = {"data__root": str(root), "data__modalities": ["xray"], "trainer__max_epochs": 1}
    result = fit(fit_config(tmp_path, "lungs", **plane, **chosen))
    folder = report(ReportConfig(run=str(result.run), accelerator="cpu")).parent
    index = json.loads((folder / "index.json").read_text())
    (case_id,) = index["cases"]
    with (folder / f"case-{case_id}-planes.csv").open(newline="") as lines:
        assert {row["plane"] for row in csv.DictReader(lines)} == {"axial"}
    captions = [figure["caption"] for figure in index["figures"] if figure["case_id"]]
    assert captions
    assert not any("Radiological" in caption for caption in captions)


def test_arrays_lead_to_the_right_to_the_front_and_upwards(
    trained: FitResult, held_out: str, phantom_set: Path
) -> None:
    import nibabel as nib

    from brats3d.data.discovery import discover
    from brats3d.workflows.loading import load_segmentation

    case = next(case for case in discover(phantom_set).cases if case.case_id == held_out)
    shown = reported_case(case, load_segmentation([RunFolder(trained.run)], accelerator="cpu"))
    canonical = nib.as_closest_canonical(nib.load(case.images["flair"]))
    assert np.array_equal(shown.images["flair"], canonical.get_fdata(dtype=np.float32))
    labels = np.asarray(nib.as_closest_canonical(nib.load(case.label)).dataobj)
    assert np.array_equal(shown.reference > 0, labels > 0)
    assert shown.spacing_mm == pytest.approx(canonical.header.get_zooms()[:3])
