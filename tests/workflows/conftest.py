"""Tiny phantoms and a tiny trained run, shared by the tests of the workflows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brats3d.config import FitConfig, load_config
from brats3d.data.phantom import write_phantoms
from brats3d.workflows.fit import FitResult, fit

MakeConfig = Callable[..., FitConfig]


@pytest.fixture(scope="session")
def phantom_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six labelled cases of 32 x 32 x 32 voxels, named as in 2021."""
    root = tmp_path_factory.mktemp("phantoms") / "brats2021"
    write_phantoms(root, cases=6, size=(32, 32, 32), seed=3)
    return root


@pytest.fixture(scope="session")
def fit_config(phantom_set: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeConfig:
    """Makes configurations of trainings that take a second; all share one store."""
    store = tmp_path_factory.mktemp("store")

    def make(folder: Path, name: str | None = "run", **overrides: Any) -> FitConfig:
        chosen = {
            "name": name,
            "folder": str(folder),
            "data__root": str(phantom_set),
            "data__store": str(store),
            "data__workers": 0,
            "split__val": 1,
            "split__test": 1,
            "patch__size": [16, 16, 16],
            "patch__batch_size": 2,
            "patch__per_epoch": 4,
            "model__params": {"filters": [4, 8]},
            "trainer__max_epochs": 2,
            "trainer__check_val_every_n_epoch": 1,
            "trainer__accelerator": "cpu",
            "trainer__precision": "32-true",
            **overrides,
        }
        return load_config(None, **chosen)

    return make


@pytest.fixture(scope="session")
def trained(fit_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A run of two epochs; not to be written to."""
    return fit(fit_config(tmp_path_factory.mktemp("runs"), "trained", trainer__log_every_n_steps=1))


@pytest.fixture
def copied_set(phantom_set: Path, tmp_path: Path) -> Path:
    """The phantoms in a folder of the test's own."""
    return Path(shutil.copytree(phantom_set, tmp_path / "data"))
