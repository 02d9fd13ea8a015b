"""Adaptation to another data set without labels: the run it leaves, and what it needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from brats3d.bundles.predict import predict
from brats3d.config import AdaptConfig, FitConfig, PredictConfig, load_config
from brats3d.data.phantom import write_phantoms
from brats3d.errors import Brats3dError, RunError
from brats3d.training.checkpoints import read_checkpoint
from brats3d.workflows.adapt import AdaptResult, adapt
from brats3d.workflows.fit import FitResult, fit


@pytest.fixture(scope="module")
def target_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("target") / "data"
    write_phantoms(root, cases=4, size=(32, 32, 32), seed=9)
    return root


@pytest.fixture(scope="module")
def settings(trained: FitResult, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AdaptConfig]:
    store = tmp_path_factory.mktemp("store")

    def make(target: Path, folder: Path, **overrides: object) -> AdaptConfig:
        chosen = {
            "run": str(trained.run),
            "target": str(target),
            "folder": str(folder),
            "store": str(store),
            "test": 1,
            "steps": 4,
            "check_every_n_steps": 2,
            "accelerator": "cpu",
            **overrides,
        }
        return AdaptConfig(**chosen)

    return make


@pytest.fixture(scope="module")
def adapted(
    settings: Callable[..., AdaptConfig], target_set: Path, tmp_path_factory: pytest.TempPathFactory
) -> AdaptResult:
    return adapt(settings(target_set, tmp_path_factory.mktemp("runs")))


def test_only_the_encoder_moves(trained: FitResult, adapted: AdaptResult) -> None:
    source, after = (
        read_checkpoint(run / "checkpoints" / "best.ckpt")["state_dict"] for run in (trained.run, adapted.run)
    )
    assert set(after) == {name for name in source if name.startswith("network.")}
    moved = {name for name, value in after.items() if not torch.equal(value, source[name])}
    assert all(name.startswith("network.encoder.") for name in moved)
    assert bool(moved) == (min(adapted.gaps) < adapted.gaps[0])


def test_the_run_says_what_it_was_adapted_to(
    trained: FitResult, adapted: AdaptResult, target_set: Path
) -> None:
    config, source = (load_config(run / "config.yaml") for run in (adapted.run, trained.run))
    assert config.data.root == str(target_set)
    assert config.model == source.model
    assert config.init == str(trained.run.resolve())
    kept = json.loads((adapted.run / "metrics.json").read_text())
    assert kept["gaps"] == list(adapted.gaps)
    assert len(kept["gaps"]) == 3
    assert kept["before"]["cases"] == kept["after"]["cases"] == 1


def test_it_is_a_run_like_any_other(adapted: AdaptResult, target_set: Path, tmp_path: Path) -> None:
    predict(PredictConfig(run=(str(adapted.run),), input=str(target_set), output=str(tmp_path / "out")))
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 4
    tuning = load_config(
        None,
        name="tuned",
        folder=str(tmp_path),
        init=str(adapted.run),
        data__root=str(target_set),
        split__val=0,
        split__test=0,
        trainer__max_epochs=1,
        trainer__accelerator="cpu",
        report=False,
    )
    assert fit(tuning).before == ()


def test_networks_of_slices_are_adapted_too(
    fit_config: Callable[..., FitConfig],
    settings: Callable[..., AdaptConfig],
    target_set: Path,
    tmp_path: Path,
) -> None:
    slices = {"model__spatial_dims": 2, "patch__size": [16, 16], "model__head": "softmax"}
    source = fit(fit_config(tmp_path, "slices", split__test=0, trainer__max_epochs=1, **slices)).run
    done = adapt(replace(settings(target_set, tmp_path), run=str(source), steps=2, name="adapted"))
    assert len(done.gaps) == 2
    assert {row.region for row in done.after} == {"ET", "TC", "WT"}


def test_labels_of_the_target_make_no_difference(
    adapted: AdaptResult, settings: Callable[..., AdaptConfig], target_set: Path, tmp_path: Path
) -> None:
    held_out = json.loads((adapted.run / "split.json").read_text())["test"]
    for folder in target_set.iterdir():
        if folder.name not in held_out:
            unlabelled = tmp_path / "data" / folder.name
            unlabelled.mkdir(parents=True)
            for file in folder.iterdir():
                if not file.name.endswith("_seg.nii.gz"):
                    (unlabelled / file.name).symlink_to(file)
    done = adapt(settings(tmp_path / "data", tmp_path / "runs"))
    assert done.gaps == adapted.gaps
    assert done.after == ()


@pytest.mark.parametrize(
    ("overrides", "where"),
    [({"run": None}, "run"), ({"target": None}, "target"), ({"steps": 0}, "steps"), ({"lr": -1.0}, "lr")],
)
def test_wrong_settings_are_errors(
    overrides: dict[str, object],
    where: str,
    settings: Callable[..., AdaptConfig],
    target_set: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(Brats3dError) as caught:
        adapt(replace(settings(target_set, tmp_path), **overrides))
    assert caught.value.where == where
    assert not list(tmp_path.iterdir())


def test_an_adapted_run_cannot_be_resumed(adapted: AdaptResult) -> None:
    with pytest.raises(RunError):
        fit(load_config(None, resume=str(adapted.run)))
