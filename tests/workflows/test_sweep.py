"""Sweeps on tiny phantoms: every combination once, one table, and going on."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from brats3d.__main__ import main
from brats3d.config import FitConfig, SweepConfig, load_config, parse_arguments, recipe_path, to_plain
from brats3d.errors import ConfigError
from brats3d.metrics import read_metrics_csv
from brats3d.models import build_network
from brats3d.workflows import folds
from brats3d.workflows.runs import RunFolder
from brats3d.workflows.sweep import SweepResult, sweep
from brats3d.workflows.variants import variants_of

MakeConfig = Callable[..., FitConfig]
MakeSweep = Callable[..., SweepConfig]
GRID: dict[str, list[Any]] = {
    "model.params.activation": ["relu", "prelu"],
    "model.params.level_dropout": [[], [0, 0.5]],
}


@pytest.fixture(scope="module")
def settings(fit_config: MakeConfig) -> MakeSweep:
    """Makes configurations of sweeps whose runs take a second each."""

    def make(folder: Path, grid: dict[str, list[Any]], name: str | None = "sw", **own: Any) -> SweepConfig:
        base = fit_config(folder, name, trainer__max_epochs=1)
        shared = {field.name: getattr(base, field.name) for field in dataclasses.fields(FitConfig)}
        return SweepConfig(**{**shared, "grid": grid, **own})

    return make


@pytest.fixture(scope="module")
def done(settings: MakeSweep, tmp_path_factory: pytest.TempPathFactory) -> SweepResult:
    """Four runs; not to be written to."""
    return sweep(settings(tmp_path_factory.mktemp("sweep"), GRID))


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(config: FitConfig) -> None:
        raise AssertionError(f"trained {config.name or config.resume}")

    monkeypatch.setattr(folds, "fit", refuse)


# Combinations


def test_every_combination_is_a_run_with_its_settings(tmp_path: Path, settings: MakeSweep) -> None:
    made = variants_of(settings(tmp_path, {**GRID, "optim.ema_decay": [None, 0.9]}))
    assert len(made) == 8
    assert [variant.config.name for variant in made[:4]] == [
        "sw-relu-empty-null",
        "sw-relu-empty-0.9",
        "sw-relu-0_0.5-null",
        "sw-relu-0_0.5-0.9",
    ]
    last = made[-1]
    assert last.config.model.params == {"filters": [4, 8], "activation": "prelu", "level_dropout": [0, 0.5]}
    assert last.config.optim.ema_decay == 0.9
    assert last.settings["optim.ema_decay"] == 0.9
    base = to_plain(settings(tmp_path, GRID))
    for section, values in to_plain(last.config).items():
        if section not in {"name", "model", "optim"}:
            assert values == base[section], section


@pytest.mark.parametrize(
    ("grid", "name", "where"),
    [
        ({}, "sw", "grid"),
        (GRID, None, "name"),
        ({"optim.lr": []}, "sw", "grid"),
        ({"name": ["a"]}, "sw", "name"),
        ({"optim.lr": [0.1, 0.1]}, "sw", "grid"),
        ({"seed.lr": [1]}, "sw", "grid.seed.lr"),
        ({"optim.lrr": [1]}, "sw", "optim.lr"),
        ({"optim.lr": ["fast"]}, "sw", "optim.lr"),
        ({"model.params.activatoin": ["relu"]}, "sw", "model.params.activatoin"),
        ({"model.params.activation": ["relu", "swish"]}, "sw", "model.params.activation"),
        ({"loss.name": ["dice", "dicee"]}, "sw", "loss.name"),
        ({"patch.size": [[16, 16, 16], [17, 16, 16]]}, "sw", "patch.size"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_what_cannot_work_is_an_error_before_any_training(
    tmp_path: Path, settings: MakeSweep, grid: dict[str, list[Any]], name: str | None, where: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        sweep(settings(tmp_path, grid, name))
    assert where in str(caught.value)
    assert not list(tmp_path.glob("*/config.yaml"))


# Scores


def test_the_table_has_the_scores_of_each_run(done: SweepResult) -> None:
    with (done.folder / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["model.params.activation"], row["model.params.level_dropout"]) for row in rows] == [
        (activation, str(rates)) for activation in ("relu", "prelu") for rates in ([], [0, 0.5])
    ]
    for row in rows:
        run = RunFolder(done.folder.parent / row["run"])
        params = run.config().model.params
        assert row["model.params.activation"] == params["activation"]
        own = read_metrics_csv(run.metrics_csv)
        assert (row["split"], int(row["cases"])) == ("test", len({one.case_id for one in own}))
        for metric in ("dice", "iou", "accuracy"):
            of_region = [one[metric] for one in own if one.region == "WT"]
            assert float(row[f"WT_{metric}"]) == pytest.approx(np.mean(of_region))
            assert float(row[f"mean_{metric}"]) == pytest.approx(
                np.mean([one[metric] for one in own]), nan_ok=True
            )
    assert len({row["WT_dice"] for row in rows}) > 1, "the settings change nothing"


def test_the_text_has_a_line_for_each_run(done: SweepResult) -> None:
    header, _, *lines = done.table.splitlines()
    assert header.split() == [
        *("activation", "level_dropout", "Dice", "IoU", "accuracy"),
        *("Dice", "ET", "Dice", "TC", "Dice", "WT", "minutes", "cases"),
    ]
    assert len(lines) == 4
    assert lines[-1].startswith("prelu       [0, 0.5]")
    assert (done.folder / "sweep.txt").read_text() == done.table + "\n"
    wt = done.scores[-1].means["WT"]["dice"]
    assert not math.isnan(wt)
    assert f" {wt:.3f} " in lines[-1]


# Going on


@pytest.mark.usefixtures("no_training")
def test_what_is_finished_is_left_alone(settings: MakeSweep, done: SweepResult) -> None:
    before = {path: path.stat().st_mtime_ns for path in done.folder.parent.rglob("*.ckpt")}
    again = sweep(settings(done.folder.parent, GRID))
    assert again == done
    assert before == {path: path.stat().st_mtime_ns for path in done.folder.parent.rglob("*.ckpt")}


@pytest.mark.usefixtures("no_training")
def test_a_further_value_trains_its_runs_alone(settings: MakeSweep, done: SweepResult) -> None:
    more = {**GRID, "model.params.activation": ["relu", "prelu", "leakyrelu"]}
    with pytest.raises(AssertionError, match="trained sw-leakyrelu-empty"):
        sweep(settings(done.folder.parent, more))


@pytest.mark.usefixtures("no_training")
def test_other_settings_under_the_same_name_are_an_error(settings: MakeSweep, done: SweepResult) -> None:
    with pytest.raises(ConfigError, match="trained with other settings"):
        sweep(settings(done.folder.parent, GRID, seed=5))


def test_the_table_is_there_after_each_run(
    tmp_path: Path, settings: MakeSweep, done: SweepResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, grid = folds.fit, {"model.params.activation": ["relu", "prelu"]}

    def only_the_first(config: FitConfig) -> None:
        if str(config.name) == "sw-prelu":
            raise KeyboardInterrupt
        fit(config)

    monkeypatch.setattr(folds, "fit", only_the_first)
    with pytest.raises(KeyboardInterrupt):
        sweep(settings(tmp_path, grid))
    assert (tmp_path / "sw" / "sweep.csv").read_text().count("\n") == 2


# The command line and the recipe


def test_the_verb(
    done: SweepResult, settings: MakeSweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(to_plain(settings(done.folder.parent, GRID))))
    assert main(["sweep", "--config", str(file)]) == 0
    assert done.table in capsys.readouterr().out
    assert main(["sweep", "--config", str(file), "--grid", "{optim.lrr: [1]}"]) == 2
    assert "did you mean 'optim.lr'" in capsys.readouterr().err


def test_the_recipe_of_variants_builds_on_the_plain_one(tmp_path: Path) -> None:
    words = ["--config", "unet2d_variants.yaml", "--name", "v", "--folder", str(tmp_path)]
    config = parse_arguments(SweepConfig, words, "brats3d sweep")
    made = variants_of(config)
    assert len(made) == 16
    plain = to_plain(load_config("unet2d_32_512.yaml", name="v-relu-none-0_0_0_0_0.2", folder=tmp_path))
    assert plain in [to_plain(variant.config) for variant in made]
    for variant in made:
        params = {**variant.config.model.params, "filters": [2, 2, 2, 2, 2]}
        network = build_network("unet", spatial_dims=2, in_channels=2, out_channels=4, params=params)
        kinds = [type(module).__name__ for module in network.modules()]
        assert kinds.count("Dropout") == sum(rate > 0 for rate in params["level_dropout"])
        assert ("BatchNorm2d" in kinds) == (params["normalisation"] == "batch")
        assert ("PReLU" in kinds) == (params["activation"] == "prelu")


def test_every_sweep_says_what_it_is_for() -> None:
    files = sorted(recipe_path("unet2d_variants.yaml").parent.glob("*.yaml"))
    assert files
    for file in files:
        assert file.read_text().startswith("# ")
        assert parse_arguments(SweepConfig, ["--config", file.name], "brats3d sweep").grid
