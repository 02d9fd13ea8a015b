"""Phantoms, runs that take a second to train, and a model without a network that does as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import brats3d
from brats3d.cases import Case
from brats3d.config import load_config
from brats3d.data.phantom import write_phantoms
from brats3d.imaging import read_volume
from brats3d.inference.progress import report
from brats3d.labels import CONVENTIONS, LabelConvention
from brats3d.postprocessing import Postprocessing
from brats3d.viewer.offered_model import OfferedModel
from brats3d.viewer.rules import PostprocessingRules
from brats3d.workflows.fit import fit
from brats3d.workflows.segmentation import SegmentedCase

KINDS: dict[str, dict[str, Any]] = {
    "volumes": {
        "patch__size": [16, 16, 16],
        "preprocess__spacing_mm": [5.0, 5.0, 5.0],
        "postprocess__thresholds": {"WT": 0.4},
        "postprocess__min_component_ml": {"WT": 0.4},
    },
    "slices": {"model__spatial_dims": 2, "patch__size": [16, 16]},
    "gate": {
        "task": "classify",
        "model__name": "vit",
        "model__spatial_dims": 2,
        "model__params": {"patch": 4, "hidden_size": 8, "layers": 1, "heads": 2, "positions": 4},
        "patch__size": [16, 16],
        "patch__batch_size": 8,
        "patch__per_epoch": 32,
    },
}


@pytest.fixture(scope="session")
def phantom_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four labelled cases of 32 x 32 x 32 voxels, named as in 2021."""
    root = tmp_path_factory.mktemp("phantoms") / "brats2021"
    write_phantoms(root, cases=4, size=(32, 32, 32), seed=3)
    return root


@pytest.fixture(scope="session")
def phantom_case(phantom_set: Path) -> Case:
    """The first of them."""
    return brats3d.discover(phantom_set).cases[0]


@pytest.fixture(scope="session")
def run_of(phantom_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the run of a kind; trained once, for a second, and not to be written to."""
    folder = tmp_path_factory.mktemp("runs")

    def make(kind: str) -> Path:
        if not (folder / kind).exists():
            settings = {
                "name": kind,
                "folder": str(folder),
                "data__root": str(phantom_set),
                "data__workers": 0,
                "data__modalities": ["flair", "t1ce"],
                "split__val": 1,
                "split__test": 1,
                "patch__per_epoch": 4,
                "model__params": {"filters": [4, 8]},
                "trainer__max_epochs": 1,
                "trainer__accelerator": "cpu",
                "trainer__precision": "32-true",
                "report": False,
                **KINDS[kind],
            }
            fit(load_config(None, **settings))
        return folder / kind

    return make


@dataclass
class Obedient:
    """Takes what is bright in T1ce for a tumour, in steps; does at the first one what it is told.

    Attributes:
        may_go_on: Whether a step may be taken.
        does: Called with the case at its first step.
        seen: Cases in the order it was given them.
        steps: Steps taken.
    """

    modalities: tuple[str, ...] = ("t1ce",)
    convention: LabelConvention = CONVENTIONS["brats2023"]
    may_go_on: threading.Event = field(default_factory=threading.Event)
    does: Callable[[Case], None] = lambda case: None
    seen: list[Case] = field(default_factory=list)
    steps: int = 0

    def __post_init__(self) -> None:
        self.may_go_on.set()

    def __call__(self, case: Case, convention: LabelConvention) -> SegmentedCase:
        self.seen.append(case)
        self.does(case)
        for step in range(4):
            assert self.may_go_on.wait(20)
            self.steps += 1
            report(step + 1, 4)
        voxels, geometry = read_volume(case.images["t1ce"])
        bright = voxels / voxels.max()
        probabilities = np.stack([bright * share for share in (0.6, 0.8, 0.9)]).astype(np.float32)
        return SegmentedCase(case.case_id, np.zeros(voxels.shape, np.uint8), probabilities, geometry)

    def offered(self, name: str = "obedient", **rules: Any) -> OfferedModel:
        """Offer it, with a postprocessing."""
        return OfferedModel(
            id=name,
            title=name,
            kind="run",
            dimensions=3,
            modalities=self.modalities,
            convention=self.convention,
            rules=PostprocessingRules(Postprocessing(**rules), self.convention),
            open=lambda: nullcontext(self),
        )


@pytest.fixture
def obedient() -> Obedient:
    """A model that does as it is told."""
    return Obedient()
