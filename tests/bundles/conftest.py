"""Tiny trained runs and their bundles, which tests must not write to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from brats3d.bundles.export import export
from brats3d.config import ExportConfig, load_config
from brats3d.data.phantom import write_phantoms
from brats3d.workflows.fit import fit

KINDS: dict[str, dict[str, Any]] = {
    "sigmoid": {},
    "softmax": {
        "model__name": "attention_unet",
        "model__head": "softmax",
        "preprocess__normalise": "robust",
        "preprocess__spacing_mm": [5.0, 5.0, 5.0],
        "inference__flips": True,
        "postprocess__thresholds": {"WT": 0.4},
        "postprocess__min_component_ml": {"WT": 0.2},
        "postprocess__et_to_ncr_below_ml": 0.5,
    },
    "slices": {
        "model__spatial_dims": 2,
        "model__head": "softmax",
        "loss__name": "cross_entropy",
        "data__modalities": ["flair", "t1ce"],
        "patch__size": [32, 32],
    },
    "gate": {
        "task": "classify",
        "model__name": "vit",
        "model__spatial_dims": 2,
        "model__params": {"patch": 4, "hidden_size": 8, "layers": 1, "heads": 2, "positions": 4},
        "data__modalities": ["flair", "t1ce"],
        "patch__size": [16, 16],
        "patch__batch_size": 8,
        "patch__per_epoch": 32,
    },
}


def made_once(path: Path, make: Callable[[], object]) -> Path:
    """Have the first test process that needs something make it; the others wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not path.exists():
            make()
    return path


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all test processes."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "common-bundles"


@pytest.fixture(scope="session")
def labelled_set(common: Path) -> Path:
    """Four labelled cases of 32 x 32 x 32 voxels, named as in 2021."""
    root = common / "phantoms" / "brats2021"
    return made_once(root, lambda: write_phantoms(root, cases=4, size=(32, 32, 32), seed=3))


@pytest.fixture(scope="session")
def case(labelled_set: Path) -> Path:
    """The folder of one of them."""
    return labelled_set / "BraTS2021_00001"


@pytest.fixture(scope="session")
def run_of(labelled_set: Path, common: Path) -> Callable[[str], Path]:
    """Gives the run of a kind; trained once, for a second."""
    folder = common / "runs"

    def train(kind: str) -> None:
        settings = {
            "name": kind,
            "folder": str(folder),
            "data__root": str(labelled_set),
            "data__workers": 0,
            "split__val": 1,
            "split__test": 1,
            "patch__size": [16, 16, 16],
            "patch__per_epoch": 4,
            "model__params": {"filters": [4, 8]},
            "trainer__max_epochs": 1,
            "trainer__accelerator": "cpu",
            "trainer__precision": "32-true",
            "report": False,
            **KINDS[kind],
        }
        fit(load_config(None, **settings))

    return lambda kind: made_once(folder / kind, lambda: train(kind))


@pytest.fixture(scope="session")
def bundle_of(
    run_of: Callable[[str], Path], common: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Gives the bundle of a kind of run; exported once."""
    folder = tmp_path_factory.mktemp("bundles")

    def write(kind: str) -> None:
        output = str(common / "bundles" / kind)
        export(ExportConfig(run=str(run_of(kind)), output=output, onnx=True))

    def make(kind: str) -> Path:
        # A copy: whoever imports scripts writes compiled ones beside them.
        if not (folder / kind).exists():
            shutil.copytree(made_once(common / "bundles" / kind, lambda: write(kind)), folder / kind)
        return folder / kind

    return make
