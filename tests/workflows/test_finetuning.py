"""Trainings that start from the weights of a run: from these indeed, and what becomes of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from brats3d.config import FitConfig
from brats3d.data.phantom import write_phantoms
from brats3d.errors import Brats3dError, ConfigError, RunError
from brats3d.models import MODELS, build_network
from brats3d.models.encoder_parts import encoder_parts
from brats3d.training.checkpoints import read_checkpoint
from brats3d.workflows.fit import FitResult, fit

MakeConfig = Callable[..., FitConfig]


@pytest.fixture(scope="session")
def local_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four other cases with the names of the first ones."""
    root = tmp_path_factory.mktemp("local") / "data"
    write_phantoms(root, cases=4, size=(32, 32, 32), seed=5)
    return root


@pytest.fixture(scope="session")
def tuning(local_set: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeConfig:
    """Makes configurations of fine-tunings that leave the network to the run."""
    store = tmp_path_factory.mktemp("store")

    def make(initial: Path | str, folder: Path, **overrides: object) -> FitConfig:
        from brats3d.config import load_config

        chosen = {
            "name": "tuned",
            "folder": str(folder),
            "init": str(initial),
            "data__root": str(local_set),
            "data__store": str(store),
            "split__val": 1,
            "split__test": 1,
            "trainer__max_epochs": 1,
            "trainer__accelerator": "cpu",
            "trainer__precision": "32-true",
            **overrides,
        }
        return load_config(None, **chosen)

    return make


def weights(run: Path, name: str) -> dict[str, Tensor]:
    state = read_checkpoint(run / "checkpoints" / name)["state_dict"]
    return {key: value for key, value in state.items() if key.startswith("network.")}


@pytest.fixture(scope="module")
def tuned(trained: FitResult, tuning: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    return fit(tuning(trained.run, tmp_path_factory.mktemp("runs"), optim__ema_decay=None))


def test_it_starts_from_the_best_weights_and_moves_them(trained: FitResult, tuned: FitResult) -> None:
    source, first = weights(trained.run, "best.ckpt"), weights(tuned.run, "initial.ckpt")
    assert all(torch.equal(first[key], value) for key, value in source.items())
    assert any(not torch.equal(value, source[key]) for key, value in weights(tuned.run, "last.ckpt").items())


def test_settings_that_are_left_open_are_those_of_the_run(trained: FitResult, tuned: FitResult) -> None:
    from brats3d.config import load_config

    source, config = (load_config(run / "config.yaml") for run in (trained.run, tuned.run))
    assert config.model == source.model
    assert config.patch == source.patch
    assert config.optim.lr == pytest.approx(source.optim.lr / 10)
    assert config.trainer.max_epochs == 1
    assert config.init == str(trained.run.resolve())


def test_scores_before_and_after_are_kept(tuned: FitResult) -> None:
    kept = json.loads((tuned.run / "metrics.json").read_text())
    assert kept["after"]["regions"] == kept["regions"]
    assert kept["before"]["cases"] == kept["after"]["cases"] == 1
    assert [(row.case_id, row.region) for row in tuned.before] == [
        (row.case_id, row.region) for row in tuned.rows
    ]
    assert kept["before"]["regions"]["WT"]["dice"]["mean"] == next(
        row["dice"] for row in tuned.before if row.region == "WT"
    )
    assert (tuned.run / "metrics_before.csv").is_file()


def test_without_a_step_nothing_changes(trained: FitResult, tuning: MakeConfig, tmp_path: Path) -> None:
    done = fit(tuning(trained.run, tmp_path, optim__lr=1e-30, optim__weight_decay=0.0))
    assert done.before == done.rows


def test_a_frozen_encoder_stays_bit_for_bit(trained: FitResult, tuning: MakeConfig, tmp_path: Path) -> None:
    run = fit(tuning(trained.run, tmp_path, init_frozen=True)).run
    source, after = weights(trained.run, "best.ckpt"), weights(run, "last.ckpt")
    moved = {key for key, value in after.items() if not torch.equal(value, source[key])}
    assert moved
    assert not [key for key in moved if key.startswith("network.encoder.")]


def test_it_is_resumed_without_the_run_it_came_from(
    trained: FitResult, tuning: MakeConfig, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(trained.run, tmp_path / "runs" / "source"))
    run = fit(tuning("source", tmp_path / "runs")).run
    shutil.rmtree(source)
    done = fit(FitConfig(resume=str(run), extend=1))
    assert len(done.before) == len(done.rows) == 3


@pytest.mark.parametrize(
    ("overrides", "where"),
    [
        ({"model__params": {"filters": [4, 8, 16]}}, "model.params.filters"),
        ({"model__name": "segnet"}, "model.name"),
        ({"data__modalities": ["t1", "flair"]}, "data.modalities"),
        ({"preprocess__normalise": "minmax"}, "preprocess.normalise"),
        (
            {
                "data__labels": {1: "NCR", 2: "ED", 4: "ET"},
                "data__regions": {"tumor": ["NCR", "ED", "ET"]},
            },
            "data.convention",
        ),
        ({"task": "classify"}, "init"),
        ({"init": None, "init_frozen": True}, "init_frozen"),
    ],
)
def test_what_does_not_fit_the_weights_is_an_error(
    overrides: dict[str, object],
    where: str,
    trained: FitResult,
    tuning: MakeConfig,
    tmp_path: Path,
    check_message: Callable[..., None],
) -> None:
    with pytest.raises(Brats3dError) as caught:
        fit(tuning(trained.run, tmp_path, **overrides))
    check_message(caught.value, where)
    assert not (tmp_path / "tuned").exists()


def test_a_run_that_is_not_there_is_an_error(tuning: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run"):
        fit(tuning("nowhere", tmp_path))


def test_cases_the_weights_have_seen_cannot_be_held_out(
    trained: FitResult, phantom_set: Path, tuning: MakeConfig, tmp_path: Path
) -> None:
    copied = shutil.copytree(phantom_set, tmp_path / "copied")
    table = tmp_path / "split.csv"
    seen = json.loads((trained.run / "split.json").read_text())["train"][0]
    names = [path.name for path in sorted(copied.iterdir())]
    rows = [f"{name},{'test' if name == seen else 'train'}" for name in names]
    table.write_text("\n".join(["case_id,split", *rows]) + "\n")
    with pytest.raises(ConfigError, match=seen):
        fit(tuning(trained.run, tmp_path, data__root=str(copied), split__csv=str(table)))
    assert not (tmp_path / "tuned").exists()


@pytest.mark.parametrize("name", MODELS)
def test_every_network_has_an_encoder_and_more(name: str) -> None:
    small = {"transunet": {"filters": [4, 8, 8]}, "vgg19_unet": {"filters": [4] * 5}}
    params = small.get(name, {})
    network = build_network(name, spatial_dims=2, in_channels=2, out_channels=1, params=params)
    inside = {id(weight) for part in encoder_parts(name, network) for weight in part.parameters()}
    outside = [weight for weight in network.parameters() if id(weight) not in inside]
    assert inside
    assert outside
