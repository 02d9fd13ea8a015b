"""The report of label maps of any tool, and of several compared."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brats3d.config import EvaluateConfig, ReportConfig
from brats3d.data.discovery import discover
from brats3d.errors import ConfigError, DataError, OutputError
from brats3d.imaging import read_volume, write_image, write_label_map
from brats3d.metrics import read_metrics_csv, write_metrics_csv
from brats3d.report import main
from brats3d.workflows.evaluate import evaluate
from brats3d.workflows.fit import FitResult
from brats3d.workflows.report import report
from brats3d.workflows.report_predicted import find_predicted_cases
from brats3d.workflows.report_scores import chosen_settings


@pytest.fixture
def references(phantom_set: Path) -> list[tuple[str, Path]]:
    return [(case.case_id, case.label) for case in discover(phantom_set).cases if case.label is not None]


@pytest.fixture
def predictions(references: list[tuple[str, Path]], tmp_path: Path) -> Path:
    """Label maps of four of six cases: as the reference, shifted, torn, and with probabilities beside."""
    folder = tmp_path / "predictions"
    for place, (case_id, path) in enumerate(references[:4]):
        labels, geometry = read_volume(path)
        shifted = np.roll(labels, 2 * (place == 1), axis=0).astype(np.uint8)
        write_label_map(folder / f"{case_id}.nii.gz", shifted, geometry, overwrite=False)
        if place == 0:
            regions = np.stack([labels == 4, np.isin(labels, (1, 4)), labels > 0], axis=-1)
            probabilities = (0.1 + 0.8 * regions).astype(np.float32)
            write_image(folder / f"{case_id}_probabilities.nii.gz", probabilities, geometry, overwrite=False)
    (folder / f"{references[2][0]}.nii.gz").write_bytes(b"torn")
    return folder


def test_label_maps_with_images(
    predictions: Path,
    phantom_set: Path,
    references: list[tuple[str, Path]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--predictions", str(predictions), "--references", str(phantom_set), "--cases", "2"]
    assert main(words) == 0
    folder = predictions / "report"
    assert capsys.readouterr().out.strip() == str(folder / "report.html")
    ids = [case_id for case_id, _ in references]
    with (folder / "failures.csv").open(newline="") as lines:
        failures = list(csv.DictReader(lines))
    assert [one["case_id"] for one in failures[:3]] == [ids[2], ids[4], ids[5]]
    assert {one["failure"] for one in failures[:3]} == {"not scored"}
    index = json.loads((folder / "index.json").read_text())
    assert len(index["cases"]) == 2
    assert index["cases"][0] == ids[1]
    kinds = {figure["kind"] for figure in index["figures"]}
    assert {"planes", "overview", "calibration", "confusion", "dice", "volumes", "lesions"} <= kinds
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "torn" in html
    assert str(predictions) in html
    scored = evaluate(predictions, phantom_set, quiet=True)
    assert read_metrics_csv(folder / "metrics.csv") == list(scored.rows)
    assert main(words) == 2
    assert "a report already" in capsys.readouterr().err


@pytest.mark.usefixtures("without_figures_of_scores")
def test_label_maps_alone(predictions: Path, references: list[tuple[str, Path]], tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for case_id, path in references[:2]:
        shutil.copy(path, masks / f"{case_id}.nii.gz")
    config = ReportConfig(
        predictions=str(predictions),
        references=str(masks),
        output=str(tmp_path / "r"),
        cases=("1",),
        scoring=EvaluateConfig(reference_convention="brats2017", missing="skip"),
    )
    html = report(config).read_text(encoding="utf-8")
    assert "predictions without a reference" in html
    index = json.loads((tmp_path / "r" / "index.json").read_text())
    assert [figure["kind"] for figure in index["figures"] if figure["case_id"]] == ["planes"]


def test_probabilities_are_those_of_the_files(
    predictions: Path, phantom_set: Path, references: list[tuple[str, Path]]
) -> None:
    asked = ReportConfig(predictions=str(predictions), references=str(phantom_set))
    found = find_predicted_cases(predictions, phantom_set, chosen_settings(asked, predictions))
    first, second = (found.read(case_id) for case_id, _ in references[:2])
    assert second.probabilities is None
    assert first.probabilities is not None
    assert np.array_equal(first.probabilities[2] > 0.5, first.reference > 0)
    assert set(first.images) == {"t1", "t1ce", "t2", "flair"}
    calibration = found.calibration()
    assert list(calibration) == ["ET", "TC", "WT"]
    for own in calibration.values():
        assert own.ece == pytest.approx(0.1, abs=1e-6)


@pytest.mark.usefixtures("without_figures_of_scores")
def test_an_evaluation_is_continued(
    predictions: Path, phantom_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = {"profile": "brats2023-met", "penalty_mm": 100, "missing": "skip"}
    evaluate(predictions, phantom_set, predictions, quiet=True, **rules)

    def refuse(*_: object) -> None:
        raise AssertionError("scored again")

    monkeypatch.setattr("brats3d.workflows.scoring.evaluate_case", refuse)
    config = ReportConfig(
        predictions=str(predictions), references=str(phantom_set), output=str(tmp_path / "r"), cases=("0",)
    )
    report(config)
    written, kept = (
        json.loads((folder / "metrics.json").read_text()) for folder in (tmp_path / "r", predictions)
    )
    assert written["profile"] == kept["profile"]
    assert written["profile"]["name"] == "brats2023-met, changed"
    assert written["regions"] == kept["regions"]


def test_settings_that_the_report_has_itself() -> None:
    scoring = EvaluateConfig(output="elsewhere")
    with pytest.raises(ConfigError, match="has this setting itself"):
        chosen_settings(ReportConfig(predictions="p", references="r", scoring=scoring), Path("p"))


class TestComparison:
    @pytest.fixture
    def runs(self, trained: FitResult, tmp_path: Path) -> list[Path]:
        """Three runs with scores of eight cases; the last one lacks one of them."""
        (one, *_), metrics = trained.rows, json.loads((trained.run / "metrics.json").read_text())
        rng = np.random.default_rng(0)
        runs = []
        for place, name in enumerate(("first", "second", "third")):
            rows = [
                replace(
                    one,
                    case_id=f"case {number}",
                    region=region,
                    scores={**one.scores, "dice": rng.uniform(0, 0.5) + 0.2 * place},
                )
                for number in range(8 - (name == "third"))
                for region in ("ET", "TC", "WT")
            ]
            runs.append(tmp_path / "runs" / name)
            runs[-1].mkdir(parents=True)
            write_metrics_csv(runs[-1] / "metrics.csv", rows)
            (runs[-1] / "metrics.json").write_text(json.dumps(metrics))
        return runs

    def test_two_runs(self, runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--compare", str(runs[0]), str(runs[1])]) == 0
        page = runs[0].parent / "compare-first-second" / "compare.html"
        assert capsys.readouterr().out.strip() == str(page)
        html = page.read_text(encoding="utf-8")
        assert "Everything that was scored is compared: 8 cases" in html
        assert re.findall(r'<section id="([^"]+)"', html) == [
            "failures",
            "ranking",
            "pair-1",
            "paired",
            "reproduce",
        ]
        comparison = json.loads((page.parent / "comparison.json").read_text())
        assert comparison["ranking"][0]["model"] == "second"
        assert len(comparison["differences"]) == 6
        with (page.parent / "wins.csv").open(newline="") as lines:
            counted = [
                (int(row["first_better"]), int(row["equal"]), int(row["second_better"]))
                for row in csv.DictReader(lines)
            ]
        kept = [(own["wins"], own["ties"], own["losses"]) for own in comparison["differences"]]
        assert sorted(counted) == sorted(kept)

    def test_three_runs_on_their_common_cases(self, runs: list[Path], tmp_path: Path) -> None:
        config = ReportConfig(compare=tuple(map(str, runs)), output=str(tmp_path / "c"))
        html = report(config).read_text(encoding="utf-8")
        assert "1 case is not compared" in html
        assert "case 7" in html
        assert html.count('id="pair-') == 3 * 2
        with pytest.raises(OutputError, match="a report already"):
            report(config)

    def test_what_cannot_be_compared(self, runs: list[Path], tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="two folders or more"):
            report(ReportConfig(compare=(str(runs[0]),), output=str(tmp_path / "c")))
        (tmp_path / "empty").mkdir()
        with pytest.raises(DataError, match="nothing to compare"):
            report(ReportConfig(compare=(str(runs[0]), str(tmp_path / "empty")), output=str(tmp_path / "c")))
        assert not (tmp_path / "c").exists()

    def test_folders_of_label_maps(self, predictions: Path, phantom_set: Path, tmp_path: Path) -> None:
        other = Path(shutil.copytree(predictions, tmp_path / "others"))
        config = ReportConfig(
            compare=(str(predictions), str(other)), references=str(phantom_set), output=str(tmp_path / "c")
        )
        html = report(config).read_text(encoding="utf-8")
        assert "3 cases are not compared" in html
        assert sorted(path.name for path in other.iterdir()) == sorted(
            path.name for path in predictions.iterdir()
        )
