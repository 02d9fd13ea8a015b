"""Tiny trained runs of three kinds, and their bundles, which tests must not write to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
}


@pytest.fixture(scope="session")
def labelled_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four labelled cases of 32 x 32 x 32 voxels, named as in 2021."""
    root = tmp_path_factory.mktemp("phantoms") / "brats2021"
    write_phantoms(root, cases=4, size=(32, 32, 32), seed=3)
    return root


@pytest.fixture(scope="session")
def case(labelled_set: Path) -> Path:
    """The folder of one of them."""
    return labelled_set / "BraTS2021_00001"


@pytest.fixture(scope="session")
def run_of(labelled_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the run of a kind; trained once, for a second."""
    folder = tmp_path_factory.mktemp("runs")

    def make(kind: str) -> Path:
        if not (folder / kind).exists():
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
                **KINDS[kind],
            }
            fit(load_config(None, **settings))
        return folder / kind

    return make


@pytest.fixture(scope="session")
def bundle_of(
    run_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Gives the bundle of a kind of run; exported once."""
    folder = tmp_path_factory.mktemp("bundles")

    def make(kind: str) -> Path:
        if not (folder / kind).exists():
            export(ExportConfig(run=str(run_of(kind)), output=str(folder / kind), onnx=True))
        return folder / kind

    return make
