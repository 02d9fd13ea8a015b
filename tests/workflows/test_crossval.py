"""Cross-validation on tiny phantoms: every case once, by the run that did not train on it; and going on."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brats3d.config import CrossvalConfig, FitConfig, load_config, parse_arguments
from brats3d.data.discovery import discover
from brats3d.errors import ConfigError, DataError, RunError
from brats3d.metrics import read_metrics_csv
from brats3d.training.checkpoints import read_checkpoint
from brats3d.training.seeding import BatchSeeds
from brats3d.workflows import folds
from brats3d.workflows.crossval import CrossvalResult, crossval
from brats3d.workflows.loading import load_segmentation
from brats3d.workflows.out_of_fold import UNLIKELY, read_case
from brats3d.workflows.runs import RunFolder

MakeConfig = Callable[..., FitConfig]
MakeCrossval = Callable[..., CrossvalConfig]


@pytest.fixture(scope="module")
def settings(fit_config: MakeConfig) -> MakeCrossval:
    """Makes configurations of three folds that take a second each."""

    def make(folder: Path, training: dict[str, Any] | None = None, **own: Any) -> CrossvalConfig:
        one_epoch = {"split__test": 0, "trainer__max_epochs": 1, **(training or {})}
        base = fit_config(folder, "cv", **one_epoch)
        shared = {field.name: getattr(base, field.name) for field in dataclasses.fields(FitConfig)}
        return CrossvalConfig(**{**shared, "folds": 3, **own})

    return make


@pytest.fixture(scope="module")
def done(settings: MakeCrossval, tmp_path_factory: pytest.TempPathFactory) -> CrossvalResult:
    """Three folds of two cases each; not to be written to."""
    return crossval(settings(tmp_path_factory.mktemp("crossval")))


@pytest.fixture
def copied(done: CrossvalResult, tmp_path: Path) -> Path:
    """The runs in a folder of the test's own."""
    return Path(shutil.copytree(done.folder.parent, tmp_path / "runs"))


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(config: FitConfig) -> None:
        raise AssertionError(f"trained {config.name or config.resume}")

    monkeypatch.setattr(folds, "fit", refuse)


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


# Scores


def test_each_case_is_scored_once_by_the_run_that_did_not_train_on_it(
    done: CrossvalResult, phantom_set: Path
) -> None:
    ids = [case.case_id for case in discover(phantom_set).cases]
    assert [(row.case_id, row.region) for row in done.rows] == [
        (case_id, region) for case_id in ids for region in ("ET", "TC", "WT")
    ]
    summary = json.loads((done.folder / "crossval.json").read_text())
    scored = {(row.case_id, row.region): row for row in done.rows}
    for fold in summary["folds"]:
        run = RunFolder(done.folder.parent / fold["run"])
        assert tuple(fold["cases"]) == run.split().val
        assert not set(fold["cases"]) & set(run.split().train)
        # What the training itself says of the cases that it held out.
        own = read_metrics_csv(run.metrics_csv)
        assert len(own) == 6
        for row in own:
            assert dict(scored[row.case_id, row.region].scores) == pytest.approx(
                dict(row.scores), nan_ok=True
            )
            assert scored[row.case_id, row.region].counts == row.counts
    assert sorted(case_id for fold in summary["folds"] for case_id in fold["cases"]) == ids
    # The networks predict something, so that a wrong run would show.
    assert all(row.counts.predicted for row in done.rows if row.region == "WT")


def test_what_is_kept_of_a_case_is_what_its_run_predicts(done: CrossvalResult, phantom_set: Path) -> None:
    run = RunFolder(done.folder.parent / "cv-fold1")
    case = next(case for case in discover(phantom_set).cases if case.case_id == run.split().val[0])
    segmentation = load_segmentation([run], accelerator="cpu")
    result = segmentation(case, case.convention)
    kept = read_case(done.folder / "out_of_fold", case.case_id)
    assert kept.probabilities.size + kept.outside * 3 == result.probabilities.size
    assert kept.probabilities.max() == pytest.approx(result.probabilities.max(), rel=1e-3)
    likely = result.probabilities >= UNLIKELY
    assert np.count_nonzero(kept.probabilities) == np.count_nonzero(likely)
    assert np.count_nonzero(kept.probabilities > 0.5) == np.count_nonzero(result.probabilities > 0.5)


def test_the_table_says_cases_and_folds(done: CrossvalResult) -> None:
    summary = json.loads((done.folder / "crossval.json").read_text())
    assert read_metrics_csv(done.folder / "metrics.csv") == list(done.rows)
    means = [fold["means"]["WT"]["dice"] for fold in summary["folds"]]
    over_folds, over_cases = summary["over_folds"]["WT"]["dice"], summary["regions"]["WT"]["dice"]
    assert (over_folds["n"], over_cases["n"]) == (3, 6)
    assert over_folds["mean"] == pytest.approx(np.mean(means))
    assert over_folds["sd"] == pytest.approx(np.std(means, ddof=1))
    line = next(line for line in done.table.splitlines() if line.startswith("WT"))
    assert f"{over_cases['mean']:.3f} ± {over_cases['sd']:.3f}" in line
    assert f"[{over_cases['ci95_low']:.3f}, {over_cases['ci95_high']:.3f}]" in line
    assert line.endswith(f"{over_folds['mean']:.3f} ± {over_folds['sd']:.3f}")


# Going on


@pytest.mark.usefixtures("no_training")
def test_finished_folds_are_left_alone(settings: MakeCrossval, copied: Path, done: CrossvalResult) -> None:
    before = times(copied)
    again = crossval(settings(copied))
    assert again.rows == done.rows
    after = times(copied)
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed == {"metrics.csv", "crossval.json"}


def test_an_interrupted_fold_is_resumed(
    tmp_path: Path, settings: MakeCrossval, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(tmp_path, {"trainer__max_epochs": 2}, folds=2)
    start = BatchSeeds.on_train_batch_start

    def interrupt(self, trainer, pl_module, batch, batch_idx) -> None:
        if trainer.current_epoch == 1 and "cv-fold1" in trainer.default_root_dir:
            raise KeyboardInterrupt
        start(self, trainer, pl_module, batch, batch_idx)

    with monkeypatch.context() as patched:
        patched.setattr(BatchSeeds, "on_train_batch_start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            crossval(config)
    first = times(tmp_path / "cv-fold0")
    assert not (tmp_path / "cv-fold1" / "metrics.json").exists()
    assert not (tmp_path / "cv").exists()
    result = crossval(config)
    assert len(result.rows) == 18
    assert times(tmp_path / "cv-fold0") == first
    assert (tmp_path / "cv-fold1" / "logs" / "csv" / "part-1").is_dir()
    assert read_checkpoint(tmp_path / "cv-fold1" / "checkpoints" / "last.ckpt")["epoch"] == 1


def test_a_fold_that_was_killed_before_it_came_to_anything_starts_again(
    settings: MakeCrossval, copied: Path, done: CrossvalResult
) -> None:
    run = RunFolder(copied / "cv-fold2")
    shutil.rmtree(run.checkpoints)
    run.metrics_json.unlink()
    assert crossval(settings(copied)).rows == done.rows
    assert run.has_checkpoint()


@pytest.mark.usefixtures("no_training")
def test_one_fold_alone(settings: MakeCrossval, copied: Path, done: CrossvalResult) -> None:
    assert crossval(settings(copied, only=1)).rows == done.rows
    shutil.rmtree(copied / "cv-fold0")
    (copied / "cv-fold2" / "metrics.json").unlink()
    result = crossval(settings(copied, only=1))
    assert result.waiting == ("cv-fold0", "cv-fold2")
    assert result.rows == ()
    with pytest.raises(AssertionError, match="trained cv-fold0"):
        crossval(settings(copied, only=0))


def test_changed_weights_are_asked_again(settings: MakeCrossval, copied: Path, done: CrossvalResult) -> None:
    kept = copied / "cv" / "out_of_fold"
    torn = kept / f"{done.rows[0].case_id}.npz"
    torn.write_bytes(torn.read_bytes()[:200])
    run = RunFolder(copied / "cv-fold1")
    shutil.copy(copied / "cv-fold0" / "checkpoints" / "best.ckpt", run.checkpoints / "best.ckpt")
    before = times(kept)
    again = crossval(settings(copied))
    after = times(kept)
    others = [row for row in done.rows if row.case_id not in run.split().val]
    assert [row for row in again.rows if row in others] == others
    changed = {path.stem for path in kept.iterdir() if before[path] != after[path]}
    assert changed == {*run.split().val, done.rows[0].case_id}


def test_a_training_of_several_processes_runs_apart(
    tmp_path: Path, settings: MakeCrossval, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes that Lightning starts repeat the words of the command line."""
    started: list[FitConfig] = []

    def together(commands, environments):
        (words,) = commands
        assert words[1:4] == ["-m", "brats3d.fit", "--config"]
        started.append(load_config(words[4]))
        yield

    monkeypatch.setattr(folds, "run_together", together)
    result = crossval(settings(tmp_path, {"trainer__devices": 2}))
    assert [config.name for config in started] == ["cv-fold0", "cv-fold1", "cv-fold2"]
    assert [config.split.fold for config in started] == [0, 1, 2]
    assert result.waiting == ("cv-fold0", "cv-fold1", "cv-fold2")


# Folds of sites


def test_sites_are_folds(tmp_path: Path, settings: MakeCrossval, phantom_set: Path) -> None:
    cases = discover(phantom_set).cases
    table = tmp_path / "sites.csv"
    with table.open("w", newline="") as file:
        rows = [(case.case_id, "ab"[index % 2]) for index, case in enumerate(cases)]
        csv.writer(file).writerows([("case_id", "site"), *rows])
    config = settings(tmp_path, {"split__sites": str(table)}, folds=None)
    made = folds.fold_settings(folds.training_settings(config), cases)
    assert [(one.name, one.split.fold, one.split.folds) for one in made] == [
        ("cv-fold0", 0, None),
        ("cv-fold1", 1, None),
    ]


# Choosing rules


@pytest.mark.usefixtures("no_training")
def test_chosen_rules_are_kept_and_followed(
    settings: MakeCrossval, copied: Path, done: CrossvalResult
) -> None:
    result = crossval(settings(copied, select=True, score="dice"))
    assert result.rows == done.rows  # those of the rules that were configured
    kept = load_config(copied / "cv" / "postprocess.yaml").postprocess
    assert result.summary is not None
    selection = result.summary["selection"]
    configured = load_config(copied / "cv-fold0" / "config.yaml").postprocess.crf
    assert dataclasses.asdict(kept) == {**selection["chosen"], "crf": dataclasses.asdict(configured)}
    assert kept.thresholds, "after one epoch 0.5 is not the best threshold of all regions"
    for fold in range(3):
        rules = load_segmentation([RunFolder(copied / f"cv-fold{fold}")], accelerator="cpu").postprocessing
        assert dict(rules.thresholds) == kept.thresholds
        assert rules.et_to_ncr_below_ml == kept.et_to_ncr_below_ml
    assert selection["gain"]["n"] == 6
    assert selection["gain"]["mean"] == pytest.approx(
        selection["held_out"]["mean"] - selection["configured"]["mean"]
    )
    assert "rules chosen by the other folds change dice by" in result.table
    written = (copied / "cv" / "crossval.json").read_text()
    crossval(settings(copied, select=True, score="dice"))
    assert (copied / "cv" / "crossval.json").read_text() == written


# What cannot be


@pytest.mark.parametrize(
    ("own", "training", "where"),
    [
        ({"name": None}, {}, "name"),
        ({"resume": "last"}, {}, "resume"),
        ({"extend": 2.0}, {}, "extend"),
        ({"folds": 1}, {}, "folds"),
        ({"folds": 4}, {"split__folds": 3}, "folds"),
        ({"only": 3}, {}, "only"),
        ({"only": -1}, {}, "only"),
        ({"profile": "brats2032"}, {}, "profile"),
        ({}, {"split__csv": "split.csv"}, "split.csv"),
        ({}, {"split__fold": 1}, "split.fold"),
        ({}, {"split__sites": "sites.csv"}, "folds"),
        ({}, {"postprocess__thresholds": {"EX": 0.4}}, "postprocess.thresholds"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_options_that_cannot_work(
    tmp_path: Path, settings: MakeCrossval, own: dict, training: dict, where: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        crossval(settings(tmp_path, training, **own))
    assert caught.value.where == where
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_training")
def test_a_fold_with_other_settings(settings: MakeCrossval, copied: Path) -> None:
    with pytest.raises(ConfigError, match="other settings") as caught:
        crossval(settings(copied, {"trainer__max_epochs": 5}))
    assert "trainer.max_epochs" in str(caught.value.where)
    assert "cv-fold0" in str(caught.value.where)
    with pytest.raises(ConfigError, match="other settings") as caught:
        crossval(settings(copied, {"postprocess__crf": {"iterations": 3}}))
    assert "postprocess.crf.iterations" in str(caught.value.where)
    where_it_runs = {"trainer__devices": 1, "data__workers": 1, "trainer__loggers": []}
    assert crossval(settings(copied, where_it_runs)).rows


def test_the_name_of_a_run(settings: MakeCrossval, copied: Path) -> None:
    shutil.copytree(copied / "cv-fold0", copied / "run")
    with pytest.raises(ConfigError, match="a run has the name"):
        crossval(settings(copied, name="run"))


@pytest.mark.usefixtures("no_training")
def test_folds_of_other_cases(settings: MakeCrossval, copied: Path) -> None:
    shutil.copy(copied / "cv-fold0" / "split.json", copied / "cv-fold1" / "split.json")
    with pytest.raises(RunError, match="each case once"):
        crossval(settings(copied))


def test_a_torn_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK nothing")
    for case_id in ("a", "b"):
        with pytest.raises(DataError, match="cannot read the probabilities") as caught:
            read_case(tmp_path, case_id)
        assert caught.value.where == tmp_path / f"{case_id}.npz"


def test_options_of_the_command_line() -> None:
    def parsed(*words: str) -> CrossvalConfig:
        return parse_arguments(CrossvalConfig, words, "brats3d crossval")

    assert parsed() == CrossvalConfig()
    assert parsed().split.test == 0
    made = parsed("--config", "unet3d.yaml", "--folds", "5", "--select", "--only", "2", "--split.val", "0.1")
    assert (made.folds, made.select, made.only, made.split.test) == (5, True, 2, 0)
    assert parsed("--split.test", "0.2").split.test == 0.2
