"""What a training keeps of its held-out cases: the same as predicting and evaluating them would say."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from brats3d import assembly
from brats3d.config import PredictConfig
from brats3d.imaging import read_volume
from brats3d.metrics import DEFAULT_PROFILE, read_calibration_csv, read_lesions_csv, read_metrics_csv
from brats3d.metrics.calibration import LEVELS
from brats3d.workflows.evaluate import evaluate
from brats3d.workflows.fit import fit
from brats3d.workflows.held_out import HeldOutScores, score_cases
from brats3d.workflows.loading import load_segmentation
from brats3d.workflows.predict import predict
from brats3d.workflows.runs import RunFolder


@pytest.fixture(scope="module")
def run(fit_config, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return RunFolder(fit(fit_config(tmp_path_factory.mktemp("runs"), split__test=3)).run)


@pytest.fixture(scope="module")
def cases(run: RunFolder):
    config = run.config()
    found = assembly.discover_cases(config.data, str(config.data.root))
    return [case for case in found.cases if case.case_id in run.split().test]


def test_scores_and_lesions_are_those_of_evaluate(run: RunFolder, phantom_set: Path, tmp_path: Path) -> None:
    where = {"input": str(phantom_set), "output": str(tmp_path / "p")}
    predict(PredictConfig(run=(str(run.path),), accelerator="cpu", **where))
    for file in (tmp_path / "p").glob("*.nii.gz"):
        if not any(file.name.startswith(name) for name in run.split().test):
            file.unlink()
    found = evaluate(tmp_path / "p", phantom_set, tmp_path / "e", missing="skip", profile=DEFAULT_PROFILE)
    assert sorted({row.case_id for row in found.rows}) == sorted(run.split().test)
    assert read_metrics_csv(run.metrics_csv) == list(found.rows)
    assert read_lesions_csv(run.lesions_csv) == list(found.lesions)
    assert found.lesions


def test_calibration_counts_the_brain(run: RunFolder, cases) -> None:
    found = read_calibration_csv(run.calibration_csv)
    assert list(found) == ["ET", "TC", "WT"]
    rows = read_metrics_csv(run.metrics_csv)
    for region, own in found.items():
        assert sum(own.positives) == sum(row.counts.referenced for row in rows if row.region == region)
        assert own.probability[-1] <= own.voxels[-1] * LEVELS
    brain = sum(int((read_volume(case.images["flair"])[0] != 0).sum()) for case in cases)
    assert sum(found["WT"].voxels) == pytest.approx(brain, rel=0.01)
    assert 0 < found["WT"].brier < 1


def test_how_cases_are_shared_out_makes_no_difference(run: RunFolder, cases, tmp_path: Path) -> None:
    segmentation = load_segmentation([run], accelerator="cpu")
    parts = [score_cases(segmentation, own) for own in (cases[1:], [], cases[:1])]
    (tmp_path / "config.yaml").touch()
    HeldOutScores.together(parts).write(RunFolder(tmp_path))
    for name in ("metrics.csv", "lesions.csv", "calibration.csv"):
        assert (tmp_path / name).read_text() == (run.path / name).read_text(), name


def test_a_training_that_came_to_nothing_is_told(
    fit_config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = fit_config(tmp_path, postprocess__thresholds={"ET": 0.9999, "TC": 0.9999, "WT": 0.0001})
    fit(config)
    assert "not one voxel of ET, TC was predicted" in caplog.text


def test_without_a_held_out_case_the_tables_are_empty(fit_config, tmp_path: Path) -> None:
    run = RunFolder(fit(fit_config(tmp_path, split__val=0, split__test=0)).run)
    for file in (run.metrics_csv, run.lesions_csv, run.calibration_csv):
        with file.open(newline="") as lines:
            assert len(list(csv.reader(lines))) == 1, file.name
